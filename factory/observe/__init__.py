"""Poll the sources that are due, in worker processes, and keep their readings."""
