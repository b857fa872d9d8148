"""What ``apf check`` looks at beyond the configuration itself: files, templates, and what the pool would do."""
