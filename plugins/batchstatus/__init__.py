"""What a queue already has."""
