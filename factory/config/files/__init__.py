"""Read queues.conf and the files that it names: lines, sections, interpolation."""
