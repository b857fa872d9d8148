"""Monitor plugins: report each round to people and programs."""
