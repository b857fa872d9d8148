"""Demand that fits: which machines the waiting jobs can use, no more and no fewer. Pure."""
