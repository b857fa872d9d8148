"""Files of the statedir: locks, status, pauses, health, user-data, job logs."""
