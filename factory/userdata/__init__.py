"""Cloud-config layers become one user-data document. Pure."""
