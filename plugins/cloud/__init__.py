"""What needs a cloud's own API."""
