"""Find the sources that are due, poll them in workers, keep their readings."""
