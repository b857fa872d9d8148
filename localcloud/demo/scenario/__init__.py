"""The demo's scenarios: configuration, work and checks of each; ``SCENARIOS`` lists them by name."""

from collections.abc import Mapping

from localcloud.demo.scenario.base import DemoSettings, Scenario
from localcloud.demo.scenario.jobs import JobsScenario
from localcloud.demo.scenario.panda import PandaScenario

SCENARIOS: Mapping[str, type[Scenario]] = {each.name: each for each in (JobsScenario, PandaScenario)}

__all__ = ["SCENARIOS", "DemoSettings", "Scenario"]
