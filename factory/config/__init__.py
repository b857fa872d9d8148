"""Reading queues.conf into typed settings."""
