"""Who is told of each round."""
