"""Find the cheapest machines for the waiting jobs: pure integer packing."""
