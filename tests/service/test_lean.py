"""Imports of workers and of the command line. An unneeded module costs memory in the worker of every daemon."""

import subprocess
import sys
from pathlib import Path

import pytest

from factory.cli.command import COMMANDS, apf

ROOT = Path(__file__).parents[2]

HEAVY = {
    "numpy",
    "scipy",
    "pydantic",
    "boto3",
    "botocore",
    "apscheduler",
    "rich",
    "click",
    "yaml",
    "configparser",
    "jinja2",
}
"""Modules that a worker does not need for the factory's own sources; boto3 is imported at the first poll of a cloud."""
OURS = {
    "factory.plugin",
    "factory.config",
    "factory.decide",
    "factory.observe",
    "factory.service.daemon",
    "factory.cli.command",
}

_SCRIPT = """\
import pickle, sys
from pathlib import Path
from factory.cli import main

if __name__ == "__main__":
    from factory.config import load
    from factory.observe.sources import plan_sources
    from factory.process.workers import Workers

    sources = plan_sources(load([Path(sys.argv[1])]).queues).sources
    workers = Workers()
    try:
        for source in sources.values():
            workers.call("one", 60, pickle.loads, pickle.dumps(source))
        folding = ("factory.process.poll", "factory.condor.schedd.actions", "factory.condor.classad.evaluate")
        for name in (*folding, "plugins.cloud.ec2instances"):
            workers.call("one", 60, eval, f"bool(__import__({name!r}))")
        print(" ".join(type(source).__name__ for source in sources.values()))
        print(" ".join(workers.call("one", 60, eval, "sorted(__import__('sys').modules)")))
    finally:
        workers.stop()
"""

_CONF = """\
[DEFAULT]
enabled = True
[Factory]
factoryId = lean
statedir = {0}
[PILOTS]
wmsstatusplugin = Panda
wmsqueue = PILOTS
wmsstatus.panda.url = https://panda.example:25443/
batchstatusplugin = Condor
batchsubmitplugin = CondorLocal
batchsubmit.condorlocal.executable = /bin/true
schedplugin = Ready, Throttle
[CLOUD]
wmsstatusplugin = CondorLocal
batchstatusplugin = CondorEC2
batchsubmitplugin = CondorEC2
schedplugin = Fit, MaxPerCycle, MaxToRun
sched.maxpercycle.maximum = 100
sched.maxtorun.maximum = 100
batchsubmit.condorec2.gridresource = https://ec2.us-east-1.amazonaws.com/
batchsubmit.condorec2.ami_id = ami-12345678
batchsubmit.condorec2.instance_type = m5.large
batchsubmit.condorec2.access_key_id = /dev/null
batchsubmit.condorec2.secret_access_key = /dev/null
batchsubmit.condorec2.lease = 2d
[PLAIN]
wmsstatusplugin = Condor
batchstatusplugin = CondorEC2
batchsubmitplugin = CondorEC2
schedplugin = Ready, MaxToRun
sched.maxtorun.maximum = 100
batchsubmit.condorec2.gridresource = https://ec2.us-east-1.amazonaws.com/
batchsubmit.condorec2.ami_id = ami-12345678
batchsubmit.condorec2.instance_type = m5.large
batchsubmit.condorec2.access_key_id = /dev/null
batchsubmit.condorec2.secret_access_key = /dev/null
batchsubmit.condorec2.lease = 2d
"""


def test_worker_imports_none_of_the_factory_s_heavy_modules(tmp_path: Path) -> None:
    script, conf = tmp_path / "apf.py", tmp_path / "queues.conf"
    script.write_text(_SCRIPT)
    conf.write_text(_CONF.format(tmp_path / "state"))
    done = subprocess.run(
        [sys.executable, str(script), str(conf)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    sources, modules = (set(line.split()) for line in done.stdout.splitlines())
    assert sources >= {"JobDemandSource", "JobCountSource", "VMJobsSource", "PoolSource", "PilotsSource", "PandaJobs"}
    assert not modules & (HEAVY | OURS)


def test_entry_point_imports_only_its_own_package() -> None:
    code = "import sys; before = set(sys.modules); import factory.cli; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"factory", "factory.cli"}


def test_jinja_is_imported_only_for_layers_that_need_it(tmp_path: Path) -> None:
    vms = _CONF[_CONF.index("[CLOUD]") : _CONF.index("[PLAIN]")]
    code = (
        "import sys\nfrom pathlib import Path\nfrom factory.config import load\n"
        "load([Path(sys.argv[1])]).queues[0].batchsubmit.templates()\nprint('jinja2' in sys.modules)"
    )

    def loaded(layer: str) -> str:
        site, conf = tmp_path / "site.yaml", tmp_path / "queues.conf"
        site.write_text(layer)
        conf.write_text(f"[DEFAULT]\nenabled = True\n{vms}batchsubmit.condorec2.user_data_files = {site}\n")
        done = subprocess.run([sys.executable, "-c", code, conf], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    layer = "#cloud-config\nruncmd: [{}]\n"
    assert loaded(layer.format("docker ps")) == "False"
    assert loaded("## template: jinja\n" + layer.format("'echo {{ v1.region }}'")) == "False"
    assert loaded("## template: jinja\n" + layer.format("'echo {{ v1.region | default(\"x\") }}'")) == "True"


def test_help_imports_no_command_module() -> None:
    code = (
        "import sys; from factory.cli.command import apf\n"
        "apf(['--help'], standalone_mode=False); print(*sys.modules, sep=chr(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.splitlines()) & ((HEAVY | OURS) - {"click", "factory.cli.command"})


@pytest.mark.parametrize("name", COMMANDS)
def test_help_line_is_the_start_of_the_command_s_own_help(name: str) -> None:
    command = apf.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == name
    assert " ".join((command.help or "").split()).startswith(COMMANDS[name][1].rstrip("."))
