"""The daemon: signals, schedule, rounds, watchdog, and rehearsed rounds for commands."""
