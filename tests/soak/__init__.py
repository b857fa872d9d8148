"""The soak: random load, random faults and random kills for a long time, from a seed; ``make soak``."""
