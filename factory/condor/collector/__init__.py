"""Readings from the collector: machines, masters, slots."""
