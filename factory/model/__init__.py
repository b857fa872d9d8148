"""Data that all rooms share, with no behaviour beyond arithmetic on itself."""
