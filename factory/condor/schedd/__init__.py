"""Readings from a schedd, and edits and removals of its jobs."""
