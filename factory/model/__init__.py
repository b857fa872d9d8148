"""Data that all rooms share, without behaviour beyond arithmetic on itself."""
