"""Choose the machines that the waiting jobs need: no more and no fewer. Pure."""
