"""Compose cloud-config layers into one user-data document, and read such documents. Pure."""
