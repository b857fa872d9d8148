"""Everything that talks to HTCondor; runs in worker processes."""
