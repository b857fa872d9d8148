"""The daemon: signals, schedule, rounds, watchdog, dry-run round."""
