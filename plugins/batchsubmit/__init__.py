"""Batch submit plugins: VM jobs of EC2 endpoints, and plain jobs such as pilots."""
