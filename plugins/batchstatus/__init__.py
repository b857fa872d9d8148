"""Batch status plugins: the VMs or plain jobs that a queue has."""
