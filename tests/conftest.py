"""Fixtures are in ``tests.rig``; see there."""

pytest_plugins = ("tests.rig.fixtures",)
