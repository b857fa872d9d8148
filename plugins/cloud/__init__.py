"""Plugins for the API of a cloud: list and terminate instances. One cloud, one module."""
