"""World → Round: chain, cascade, ledger. Pure."""
