"""The service with a hanging monitor and a hanging PanDA server: other queues decide as usual."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rig.apfmon import ApfMon
from tests.rig.httpserver import Reply
from tests.rig.panda import PandaServer
from tests.rig.wait import until

CONF = """\
[Factory]
factoryId = test
statedir = {statedir}
deadline = 12
monitorConf = monitor.conf

[DEFAULT]
enabled = True
apfqueue.sleep = 1
wmsstatusplugin = Panda
batchstatusplugin = Condor
batchsubmitplugin = CondorLocal
schedplugin = Fixed
batchsubmit.condorlocal.executable = /bin/true

[GOOD]
wmsqueue = GOOD
wmsstatus.panda.url = {good}
monitorsection = slow, log

[BAD]
wmsqueue = BAD
wmsstatus.panda.url = {bad}
monitorsection = slow
"""

MONITORS = """\
[slow]
monitorplugin = APF
monitorURL = {monitor}
timeout = 60

[log]
monitorplugin = Log
"""


@contextmanager
def service(directory: Path, **urls: str) -> Iterator[subprocess.Popen[str]]:
    (directory / "queues.conf").write_text(CONF.format(statedir=directory / "state", **urls))
    (directory / "monitor.conf").write_text(MONITORS.format(**urls))
    code = "from factory.cli import main; main()"
    with (directory / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", code, "--conf", directory / "queues.conf"], stderr=log, text=True
        )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def status(directory: Path, queue: str) -> dict[str, Any]:
    try:
        queues = json.loads((directory / "state" / "test" / "status.json").read_text())["queues"]
    except FileNotFoundError:
        return {}
    return next((each for each in queues if each["queue"] == queue), {})


def test_rounds_go_on_while_a_monitor_and_a_panda_server_hang(tmp_path: Path) -> None:
    with PandaServer() as good, PandaServer() as bad, ApfMon() as monitor:
        good.set("GOOD", activated=5)
        bad.set("BAD", activated=6)
        bad.faults["/api"] = Reply(b"{}", after_s=3600)
        monitor.faults["/api"] = Reply(b"", after_s=3600)
        with service(tmp_path, good=good.url, bad=bad.url, monitor=monitor.url) as child:
            until(
                lambda: status(tmp_path, "GOOD").get("wms", {}).get("ready") == 5,
                "the work of the good queue is known",
                60,
            )
            until(
                lambda: "no answer within" in str(status(tmp_path, "BAD").get("wms")),
                "the work of the bad queue is unknown",
                60,
            )
            good.set("GOOD", activated=8)
            decided: dict[float, int] = {}

            def decides_often() -> bool:
                decided.setdefault(status(tmp_path, "GOOD")["decided"], len(bad.requests))
                return len(decided) >= 5

            until(decides_often, "four rounds", 60, every_s=0.05)
            assert len(set(decided.values())) < len(decided), "a round ended while the bad server was still asked"
            assert status(tmp_path, "GOOD")["wms"]["ready"] == 8
            assert [request.method for request in monitor.requests] == ["PUT"]
            until(lambda: "actions=" in (tmp_path / "log").read_text(), "the other monitor got a report")
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0
        assert "monitor=APF unsent=" in (tmp_path / "log").read_text()
