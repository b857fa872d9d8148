"""Compare VM jobs, instances and startds; find and end orphans."""
