"""ClassAd expressions and ads: quote, parse, read, evaluate, match. No daemon is contacted."""
