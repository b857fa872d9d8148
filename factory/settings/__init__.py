"""Keys of [Factory] and of a queue that belong to no plugin."""
