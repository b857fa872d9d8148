"""How machines and pilots are submitted."""
