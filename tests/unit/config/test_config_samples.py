"""Tests of whole files: the documented sample, and files of sites that move from AutoPyFactory."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import load
from factory.config.queues import Config
from tests.rig.configs import own_or_standins

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> Config:
    return load([SAMPLES / name], own_or_standins())


def warned(config: Config) -> set[tuple[str | None, str | None]]:
    assert all(problem.line for problem in config.warnings)
    return {(problem.section, problem.key) for problem in config.warnings}


def test_documented_sample_is_valid() -> None:
    config = sample("design.conf")
    assert [queue.name for queue in config.queues] == ["BNL_CLOUD", "BNL_CLOUD-ec2-spot"]
    assert [type(plugin).__name__ for plugin in config.queues[1].sched] == [
        "Ready",
        "MaxPerCycle",
        "MaxToRun",
        "RetireIdle",
    ]
    assert config.queues[1].settings.sleep == 60
    assert config.queues[1].batchsubmit.settings.lease == 172800
    assert not config.warnings


@pytest.fixture
def first_generation(tmp_path: Path) -> Config:
    """Configuration for AutoPyFactory up to 2.4.10. It names the file of queues by an absolute URL."""
    main = tmp_path / "autopyfactory.conf"
    main.write_text((SAMPLES / "old-2.4.9" / main.name).read_text().replace("SAMPLES", str(SAMPLES)))
    (tmp_path / "monitor.conf").write_bytes((SAMPLES / "old-2.4.9" / "monitor.conf").read_bytes())
    return load([main], own_or_standins())


def test_files_of_2_4_9_are_valid_with_warnings(first_generation: Config) -> None:
    assert [queue.name for queue in first_generation.queues] == [
        "EXAMPLE_SITE-ce01",
        "EXAMPLE_SITE-local",
        "EXAMPLE_SITE-ec2",
    ]
    assert first_generation.disabled == ("EXAMPLE_OLD_CE",)
    warnings = warned(first_generation)
    assert warnings >= {
        ("Factory", key)
        for key in [
            "factorySMTPServer",
            "factoryMinEmailRepeatSeconds",
            "factoryUser",
            "factory.sleep",
            "cycles",
            "proxyConf",
            "proxymanager.enabled",
            "proxymanager.sleep",
            "mappingsConf",
            "batchstatus.maxtime",
            "logserver.enabled",
            "logserver.index",
            "logserver.allowrobots",
        ]
    }
    assert warnings >= {("DEFAULT", key) for key in ("status", "cloud", "override", "sched.statustest.allowed")}
    assert warnings >= {
        ("EXAMPLE_SITE-ec2", "batchsubmit.condorec2.usessh"),
        ("EXAMPLE_SITE-ec2", "batchsubmit.condorec2.peaceful"),
        ("EXAMPLE_OLD_CE", "batchsubmitplugin"),
    }
    assert not warnings & {("DEFAULT", key) for key in ("grid", "vo", "periodic_hold", "executable.defaultarguments")}


def test_files_of_2_4_9_keep_their_meaning(first_generation: Config) -> None:
    assert first_generation.factory.id == "EXAMPLE-site-apf01"
    assert first_generation.factory.max_per_factory == 5000
    grid, local, ec2 = first_generation.queues
    assert [plugin.settings.pilots for plugin in grid.sched if type(plugin).__name__ == "StatusTest"] == [1]
    assert grid.settings.arguments == (
        "--wrappergrid=OSG --wrappervo=EXAMPLEVO --wrapperbatchqueue=EXAMPLE_SITE-ce01 --wrapperloglevel=debug"
    )
    assert grid.settings.executable == str(Path("~/libexec/wrapper.sh").expanduser())
    assert grid.batchsubmit.settings.condor_attributes == (
        "periodic_hold=GlobusStatus==16,"
        "periodic_remove=(JobStatus == 5 && (CurrentTime - EnteredCurrentStatus) > 3600) || "
        "(JobStatus == 1 && (CurrentTime - EnteredCurrentStatus) > 86400),+maxMemory = 2000"
    )
    assert [type(monitor).__name__ for monitor in grid.monitors] == ["Dummy", "APF"]
    assert local.sched[0].settings.keep_running == 200
    assert ec2.settings.arguments is None
    assert ec2.batchsubmit.settings.spot_price == 0.25


def test_files_of_2_4_16_are_valid_and_keep_their_meaning() -> None:
    config = sample("old-2.4.16/autopyfactory.conf")
    assert [queue.name for queue in config.queues] == ["MYQUEUE"]
    assert config.disabled == ("STATIC",)
    queue = config.queues[0]
    assert queue.settings.sleep == 120
    assert queue.settings.keepdays == 7
    assert queue.settings.arguments == "-s montecarlo --share 50%"
    assert queue.wmsstatus is not None
    assert queue.wmsstatus.settings.scheddhost == "submit01.example.org"
    assert queue.sched[-1].settings.maximum is None
    assert "request_disk" in str(queue.batchsubmit.settings)
    assert queue.batchsubmit.settings.killorder == "oldest"
    assert warned(config) >= {
        ("Factory", key)
        for key in [
            "factorySMTPServer",
            "factory.sleep",
            "abort_no_queues",
            "cycles",
            "config.queues.plugin",
            "config.auth.plugin",
            "config.reconfig",
            "config.reconfig.interval",
            "authmanager.enabled",
            "authmanager.sleep",
            "authConf",
            "monitor",
            "monitor.section",
            "monitor.interval",
            "mappingsConf",
            "logserver.enabled",
        ]
    }
    assert ("DEFAULT", "monitorsection") in warned(config)


def test_files_of_2_4_15_with_condor_batch_status_count_vms() -> None:
    config = sample("old-2.4.15/queues.conf")
    (queue,) = config.queues
    assert type(queue.batchstatus).__name__ == "CondorEC2"
    assert queue.settings.wmsqueue == "EXAMPLE_SITE"
    assert queue.batchsubmit.settings.lines() == ['+RequestedBy = "EXAMPLE,SITE"', "periodic_remove = JobStatus == 5"]
    assert warned(config) == {
        ("DEFAULT", "batchstatusplugin"),
        ("DEFAULT", "batchstatus.condor.scheddhost"),
        ("DEFAULT", "batchstatus.condor.collectorhost"),
        ("DEFAULT", "batchsubmit.condorec2.submitargs"),
        ("EXAMPLE_SITE-ec2", "batchsubmit.condorec2.overlay.peaceful"),
    }
