"""Fixtures of the tests: pool, cloud and factory."""
