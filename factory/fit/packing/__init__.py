"""Find the cheapest machines for the waiting jobs, as a vector bin packing problem. Pure."""
