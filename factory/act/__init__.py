"""Carry out a round's actions against schedd and startds."""
