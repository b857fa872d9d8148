"""Reports of rounds for people and programs: status.json, journal lines, metrics, monitors, explanations."""
