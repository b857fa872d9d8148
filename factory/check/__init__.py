"""Checks of ``apf check`` beyond the configuration: files, submit templates, limits and policies of the pool."""
