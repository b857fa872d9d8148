"""From readings to the World, and what is remembered between polls. Pure."""
