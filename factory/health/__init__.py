"""Decide which shapes may be bought now: breakers, canaries, hold reasons. Pure."""
