"""How long a round takes, beside the bare queries that it needs, on real daemons with a hundred thousand idle jobs."""
