"""ClassAd expressions: quote, parse, evaluate, match."""
