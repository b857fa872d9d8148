"""Queries of a schedd and its history, and submits, edits and removals of its jobs."""
