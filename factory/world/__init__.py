"""Build the World from readings, and remember facts between polls. Pure."""
