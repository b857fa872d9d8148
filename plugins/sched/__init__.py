"""How many machines to add or to retire."""
