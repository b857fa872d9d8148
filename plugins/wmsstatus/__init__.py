"""Plugins that report the work of a queue. One source of work, one module."""
