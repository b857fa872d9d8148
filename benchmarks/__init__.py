"""Benchmarks: the time and memory of a round, on real daemons with a hundred thousand idle jobs."""
