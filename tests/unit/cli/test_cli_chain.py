"""``apf chain``: evaluate a queue's chain offline."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from factory.cli.chain import chain
from tests.rig.chains import conf

SAMPLE = conf(
    "Ready, MinPerCycle, MaxPerCycle, MaxPending",
    {"sched.minpercycle.minimum": 10, "sched.maxpercycle.maximum": 20, "sched.maxpending.maximum": 50},
)


@pytest.fixture
def queues(tmp_path: Path) -> Path:
    return write(tmp_path, SAMPLE)


def write(directory: Path, text: str) -> Path:
    file = directory / "queues.conf"
    file.write_text(text)
    return file


def run(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(chain, ["--conf", str(file), *arguments])


def answer(file: Path, *arguments: str) -> Any:
    result = run(file, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_json_has_each_step_and_the_outcome(queues: Path) -> None:
    assert answer(queues, "Q", "--wms", "ready=100,running=3", "--batch", "pending=45,running=8") == {
        "queue": "Q",
        "outcome": "submit",
        "n": 5,
        "steps": [
            {"plugin": "Ready", "n_in": 0, "n_out": 55, "reason": "100 ready, 45 pending"},
            {"plugin": "MinPerCycle", "n_in": 55, "n_out": 55, "reason": "at least 10 per cycle"},
            {"plugin": "MaxPerCycle", "n_in": 55, "n_out": 20, "reason": "at most 20 per cycle"},
            {"plugin": "MaxPending", "n_in": 20, "n_out": 5, "reason": "45 of at most 50 pending"},
        ],
        "reason": "MaxPending: 45 of at most 50 pending",
    }


@pytest.mark.parametrize(
    ("arguments", "outcome", "n"),
    [
        (("--wms", "ready=100", "--batch", "pending=60"), "retire", -10),
        (("--wms", "ready=100", "--batch", "pending=50"), "none", 0),
        (("--wms", "ready=100", "--batch", "running=8"), "submit", 20),
        (("--wms", "ready=100"), "blocked", None),
        (("--batch", "pending=60"), "blocked", None),
        ((), "blocked", None),
    ],
)
def test_each_outcome(queues: Path, arguments: tuple[str, ...], outcome: str, n: int | None) -> None:
    result = answer(queues, "Q", *arguments)
    assert (result["outcome"], result["n"]) == (outcome, n)


def test_blocked_chain_names_what_is_missing(queues: Path) -> None:
    result = answer(queues, "Q", "--wms", "ready=100")
    assert result["reason"] == "Ready: batch status unknown: not given"
    assert result["steps"] == []


def test_start_value_may_be_negative(tmp_path: Path) -> None:
    file = write(tmp_path, conf("MinPerCycle", {"sched.minpercycle.minimum": -2}))
    assert answer(file, "-n", "-5", "Q")["n"] == -2
    assert answer(file, "-n", "-1", "Q")["n"] == -1
    assert answer(file, "Q")["n"] == 0


def test_factory_total_of_zero_is_not_unknown(tmp_path: Path) -> None:
    file = write(tmp_path, conf("MaxPerFactory", {}, {"maxperfactory.maximum": 5}))
    assert answer(file, "-n", "9", "--factory-total", "0", "Q")["n"] == 5
    assert answer(file, "-n", "9", "Q")["outcome"] == "blocked"


def test_unset_maximum_of_the_factory_caps_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, conf("MaxPerFactory", {}))
    assert answer(file, "-n", "9", "--factory-total", "100000", "Q")["n"] == 9


def test_throttle_reads_the_given_history(tmp_path: Path) -> None:
    file = write(tmp_path, conf("Throttle", {"sched.throttle.maxtime": "1m"}))
    assert answer(file, "-n", "9", "--history", "total=20,short=15", "Q")["n"] == 1
    assert answer(file, "-n", "9", "--history", "total=20,short=5", "Q")["n"] == 9
    assert answer(file, "-n", "9", "Q")["reason"] == "Throttle: history of schedd local: not given"


def test_retireidle_sees_no_vms(tmp_path: Path) -> None:
    file = write(tmp_path, conf("Ready, RetireIdle", {"sched.retireidle.after": "15m"}))
    result = answer(file, "--wms", "ready=0", "--batch", "running=30", "Q")
    assert (result["outcome"], result["reason"]) == ("none", "RetireIdle: no VM is unclaimed")


def test_evaluates_a_disabled_queue(tmp_path: Path) -> None:
    file = write(tmp_path, SAMPLE.replace("enabled = True", "enabled = False"))
    assert answer(file, "Q", "--wms", "ready=100", "--batch", "pending=45")["n"] == 5
    file = write(tmp_path, SAMPLE.replace("[Factory]", "[Factory]\nenablequeues = False"))
    assert answer(file, "Q", "--wms", "ready=100", "--batch", "pending=45")["n"] == 5


def test_ignores_the_old_default_for_missing_information(tmp_path: Path) -> None:
    keys = {"sched.activated.max_pilots_per_cycle": 80, "sched.activated.default": 7}
    file = write(tmp_path, conf("Activated", keys))
    assert answer(file, "Q", "--wms", "ready=100")["outcome"] == "blocked"
    assert answer(file, "Q", "--wms", "ready=100", "--batch", "pending=5")["n"] == 80


def test_text_has_each_step_and_the_outcome(queues: Path) -> None:
    result = run(queues, "Q", "--wms", "ready=100", "--batch", "pending=60")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Q",
        "  Ready             0 -> 40      100 ready, 60 pending",
        "  MinPerCycle      40 -> 40      at least 10 per cycle",
        "  MaxPerCycle      40 -> 20      at most 20 per cycle",
        "  MaxPending       20 -> -10     60 of at most 50 pending",
        "retire 10: MaxPending: 60 of at most 50 pending",
    ]
    assert run(queues, "Q").stdout.splitlines() == ["Q", "blocked: Ready: WMS status unknown: not given"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("X",), "no queue X; the queues are: Q"),
        ((), "QUEUE"),
        (("QQ",), "no queue QQ; did you mean Q?"),
        (("Q", "--wms", "reddy=1"), "'reddy=1' is not valid; write one of notready=…, ready=…"),
        (("Q", "--wms", "5"), "'5' is not valid; write one of notready=…"),
        (("Q", "--wms", ""), "is not valid; write one of notready=…"),
        (("Q", "--wms", "ready="), "ready has no value"),
        (("Q", "--wms", "ready=many"), "ready=many is not a whole number"),
        (("Q", "--wms", "ready=1.5"), "ready=1.5 is not a whole number"),
        (("Q", "--wms", "ready=1,ready=2"), "ready is given twice"),
        (("Q", "--batch", "vms=1"), "'vms=1' is not valid; write one of pending=…"),
        (("Q", "--site", "online"), "'online' is not valid; write one of status=…"),
        (("Q", "--factory-total", "many"), "many"),
        (("Q", "-n", "1.5"), "1.5"),
        (("Q", "--no-such-option"), "--no-such-option"),
    ],
)
def test_wrong_call_exits_with_2_and_a_message(queues: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(queues, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_wrong_file_exits_with_2_and_a_message(tmp_path: Path) -> None:
    missing = run(tmp_path / "none.conf", "Q")
    assert missing.exit_code == 2
    assert "none.conf" in missing.stderr
    wrong = run(write(tmp_path, SAMPLE.replace("= 20", "= many")), "Q")
    assert wrong.exit_code == 2
    assert "sched.maxpercycle.maximum" in wrong.stderr
    assert wrong.stdout == ""


def test_disabled_queue_with_errors_exits_with_2_and_a_message(tmp_path: Path) -> None:
    text = SAMPLE.replace("enabled = True", "enabled = False").replace("= 20", "= many")
    result = run(write(tmp_path, text), "Q")
    assert result.exit_code == 2
    assert "sched.maxpercycle.maximum" in result.stderr


def test_command_imports_no_htcondor_bindings(queues: Path) -> None:
    code = (
        "import sys; from factory.cli.command import apf\n"
        "apf(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'htcondor', 'htcondor2', 'classad2'} & set(sys.modules)\n"
    )
    arguments = ["chain", "--conf", str(queues), "Q", "--wms", "ready=100", "--batch", "pending=45"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "submit 5" in done.stdout


def test_chain_with_fit_names_the_command_to_use_instead(tmp_path: Path) -> None:
    example = write(tmp_path, (Path(__file__).parents[3] / "etc/queues.conf.example").read_text())
    result = answer(example, "CLOUD", "--wms", "ready=20", "--batch", "pending=4")
    assert result["outcome"] == "blocked"
    assert "Fit matches single jobs, which numbers can't describe; 'apf explain queue NAME'" in result["reason"]
