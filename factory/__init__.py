"""The engine of apf: observe, decide, act."""
