"""Fixtures are in ``tests.rig``; see there."""

from hypothesis import HealthCheck, settings

# Tests say what is so, not how fast: on a busy machine an example may take long.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

pytest_plugins = ("tests.rig.fixtures",)
