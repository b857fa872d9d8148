"""The only room that talks to HTCondor: queries, acts and tools. Calls run in worker processes."""
