"""Queries of the collector: machines of this factory, masters, free slots."""
