"""Sched plugins: decide how many machines to add or to retire."""
