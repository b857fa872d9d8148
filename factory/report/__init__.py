"""Tell people and programs what happened: status, journal lines, metrics, monitors, explanations."""
