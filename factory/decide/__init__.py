"""Decide a round from a World: chains, queues that share jobs, totals of the factory. Pure."""
