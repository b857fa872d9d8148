"""A PanDA server for tests."""

from localcloud.panda import JOBS, ROOT, SITES, PandaServer

__all__ = ["JOBS", "ROOT", "SITES", "PandaServer"]
