"""Submit plugins for plain jobs: the submit description, and removals for a negative ask."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.problems import ConfigError
from factory.config.queues import Queue
from factory.model.actions import Plan, Remove, Submit
from factory.model.ask import Ask
from factory.model.memory import Memory
from factory.model.status import BatchStatus
from factory.model.vm import JobId, PlainJob
from plugins.batchsubmit.base import PlainJobs
from tests.rig.queues import DAY, NOW, PILOTS, commands, make_queue, submit_tools


def pilots(
    directory: Path,
    name: str = "Q",
    factory: Mapping[str, object] | None = None,
    own: Mapping[str, object] | None = None,
    **keys: object,
) -> Queue:
    """Return a queue of pilots; ``own`` and ``keys`` are those of CondorLocal."""
    keys |= own or {}
    return make_queue(
        directory, {**PILOTS, **{f"batchsubmit.condorlocal.{k}": v for k, v in keys.items()}}, name, factory
    )


def plan(queue: Queue, n: int, *jobs: PlainJob) -> Plan:
    return queue.batchsubmit.plan(Ask(n), BatchStatus(jobs=jobs), Memory(), NOW)


def job(number: int, status: int = 1, submitted: float | None = None) -> PlainJob:
    return PlainJob(JobId(number, 0), status, number if submitted is None else submitted)


def test_logs_are_in_a_directory_per_day_and_queue(tmp_path: Path) -> None:
    queue = pilots(tmp_path, "SITE/ce:1", {"baseLogDir": "/logs", "baseLogDirUrl": "https://web/logs/"})
    submission = queue.batchsubmit.submission(2, (), submit_tools(tmp_path))
    lines = commands(submission)
    assert lines["log_dir"] == f"/logs/{DAY}/SITE_ce_1"
    assert [lines[name] for name in ("output", "error", "log")] == [
        f"$(log_dir)/$(Cluster).$(Process).{suffix}" for suffix in ("out", "err", "log")
    ]
    assert lines["initialdir"] == "$(log_dir)", "other output files of jobs go there too"
    assert submission.directories == (Path(f"/logs/{DAY}/SITE_ce_1"),)
    assert lines["MY.APF_OUTURL"] == f'"https://web/logs/{DAY}/SITE_ce_1/$(Cluster).$(Process).out"'
    assert f"GTAG=https://web/logs/{DAY}/SITE_ce_1/$(Cluster).$(Process).out" in lines["extra_environment"]
    assert len(submission.items) == 2


def test_logs_are_in_the_statedir_without_url_by_default(tmp_path: Path) -> None:
    submission = pilots(tmp_path).batchsubmit.submission(1, (), submit_tools(tmp_path))
    lines = commands(submission)
    assert submission.directories == (tmp_path / "logs" / DAY / "Q",)
    assert "GTAG" not in lines["extra_environment"]
    assert not [name for name in lines if "URL" in name]


def test_jobs_name_their_factory_in_ad_and_environment(tmp_path: Path) -> None:
    queue = pilots(tmp_path, environ="A=1 B='two words'")
    tools = submit_tools(tmp_path, environment={"APFMON": "http://mon/api"})
    lines = commands(queue.batchsubmit.submission(1, (), tools))
    assert lines["MY.MATCH_APF_QUEUE"] == lines["MY.APF_QUEUE"] == '"Q"'
    assert (lines["apf_queue"], lines["factory"], lines["MY.APFIncarnation"]) == ("Q", "f1", '"1 host 2"')
    assert "APFFID=$(factory) APFCID=$(Cluster).$(Process)" in lines["environment"]
    assert "PANDA_JSID=$(factory)" in lines["environment"]
    assert "FACTORYQUEUE=$(apf_queue)" in lines["environment"]
    assert lines["extra_environment"] == "FACTORYUSER=apf APFMON=http://mon/api A=1 B='two words'"


def test_extra_lines_come_last_and_win(tmp_path: Path) -> None:
    queue = pilots(tmp_path, condor_attributes="stream_output = True,request_memory = 2000")
    submission = queue.batchsubmit.submission(1, (), submit_tools(tmp_path))
    lines = commands(submission)
    assert (lines["stream_output"], lines["request_memory"]) == ("True", "2000")
    assert submission.description.endswith("stream_output = True\nrequest_memory = 2000\n")


def test_arguments_and_mail_appear_only_if_configured(tmp_path: Path) -> None:
    keys = {**PILOTS, "executable.arguments": "-q %(wmsqueue)s", "wmsqueue": "BNL"}
    queue = make_queue(tmp_path, keys, factory={"factoryAdminEmail": "admin@example.org"})
    lines = commands(queue.batchsubmit.submission(1, (), submit_tools(tmp_path)))
    assert lines["arguments"] == "-q BNL"
    assert (lines["notify_user"], lines["notification"]) == ("admin@example.org", "Error")
    bare = commands(pilots(tmp_path).batchsubmit.submission(1, (), submit_tools(tmp_path)))
    assert not {"arguments", "notify_user", "notification"} & bare.keys()


@pytest.mark.parametrize(
    ("keys", "grid_resource", "more"),
    [
        ({"gridresource": "ce.example.org"}, "condor ce.example.org ce.example.org:9619", {}),
        ({"gridresource": "ce.example.org", "port": "9620"}, "condor ce.example.org ce.example.org:9620", {}),
        ({"gridresource": "ce ce.example.org:9618"}, "condor ce ce.example.org:9618", {}),
    ],
)
@pytest.mark.parametrize("name", ["CondorCE", "CondorOSGCE"])
def test_compute_element_is_reached_by_grid_type_condor(
    tmp_path: Path, name: str, keys: dict[str, str], grid_resource: str, more: dict[str, str]
) -> None:
    own = {f"batchsubmit.{name.lower()}.{key}": value for key, value in keys.items()}
    queue = make_queue(tmp_path, {**PILOTS, "batchsubmitplugin": name, **own})
    lines = commands(queue.batchsubmit.submission(1, (), submit_tools(tmp_path)))
    assert lines["universe"] == "grid"
    assert lines["grid_resource"] == grid_resource
    assert lines["MY.Nonessential"] == "True"
    assert ("MY.TransferOutput" in lines) == (name == "CondorOSGCE")


@pytest.mark.parametrize("words", ["", "a b c"])
def test_compute_element_is_a_host_or_a_schedd_and_its_collector(tmp_path: Path, words: str) -> None:
    with pytest.raises(ConfigError, match=r"batchsubmit\.condorce\.gridresource"):
        make_queue(tmp_path, {**PILOTS, "batchsubmitplugin": "CondorCE", "batchsubmit.condorce.gridresource": words})


def test_check_finds_missing_executables(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, {key: value for key, value in PILOTS.items() if key != "executable"})
    assert ["has no executable" in finding.text for finding in queue.batchsubmit.check()] == [True]
    for program, words in ((tmp_path / "gone", "No such file"), ("bin/true", "is not an absolute path")):
        (found,) = pilots(tmp_path, executable=program).batchsubmit.check()
        assert words in found.text
        assert found.key == "batchsubmit.condorlocal.executable"
    assert not list(pilots(tmp_path).batchsubmit.check())
    there = pilots(tmp_path, executable="/only/there", condor_attributes="transfer_executable = False")
    assert not list(there.batchsubmit.check())


def test_positive_ask_is_one_submit(tmp_path: Path) -> None:
    (action,) = plan(pilots(tmp_path), 200).actions
    assert isinstance(action, Submit)
    assert action.n == 200


@pytest.mark.parametrize("key", ["peaceful", "overlay.peaceful"])
def test_negative_ask_removes_jobs_only_if_not_peaceful(tmp_path: Path, key: str) -> None:
    jobs = (job(1), job(2))
    for queue in (pilots(tmp_path), pilots(tmp_path, own={key: True})):
        assert plan(queue, -1, *jobs).actions == ()
        assert "1 job too many" in plan(queue, -1, *jobs).notes[0]
    (action,) = plan(pilots(tmp_path, own={key: False}), -1, *jobs).actions
    assert isinstance(action, Remove)


@pytest.mark.parametrize("key", ["killorder", "overlay.killorder"])
@pytest.mark.parametrize(("order", "first"), [("newest", [4, 3]), ("oldest", [0, 1])])
def test_removes_newest_or_oldest_of_equal_jobs_first(tmp_path: Path, key: str, order: str, first: list[int]) -> None:
    queue = pilots(tmp_path, own={key: order}, peaceful=False)
    actions = plan(queue, -2, *(job(number) for number in range(5))).actions
    assert [action.job.cluster for action in actions if isinstance(action, Remove)] == first


statuses = st.sampled_from(range(8))
many = st.lists(st.tuples(statuses, st.integers(0, 3)), max_size=12).map(
    lambda found: [job(number, status, submitted) for number, (status, submitted) in enumerate(found)]
)


@given(jobs=many, n=st.integers(-15, -1), newest=st.booleans())
def test_removes_running_jobs_last(jobs: list[PlainJob], n: int, newest: bool) -> None:
    queue = _REMOVERS[newest]
    actions = [action for action in plan(queue, n, *jobs).actions if isinstance(action, Remove)]
    by_id = {one.job: one for one in jobs}
    removed = [by_id[action.job] for action in actions]
    there = [one for one in jobs if one.status not in (3, 4)]
    assert len(set(removed)) == len(removed) == min(-n, len(there)), "as many as asked for, or all"
    left = [one for one in there if one not in removed]
    if any(one.status in (2, 6, 7) for one in removed):
        assert all(one.status in (2, 6, 7) for one in left)
    for gone in removed:
        for kept in left:
            if (gone.status in (2, 6, 7)) == (kept.status in (2, 6, 7)):
                assert gone.submitted >= kept.submitted if newest else gone.submitted <= kept.submitted
    for action in actions:
        assert action.still == f"JobStatus == {by_id[action.job].status}", "the schedd checks the state again"


@pytest.fixture(scope="module", autouse=True)
def _removers(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("queues")
    for newest, order in ((True, "newest"), (False, "oldest")):
        _REMOVERS[newest] = pilots(directory, peaceful=False, killorder=order)


_REMOVERS: dict[bool, Queue] = {}


def test_every_plugin_for_plain_jobs_has_the_same_base(tmp_path: Path) -> None:
    assert isinstance(pilots(tmp_path).batchsubmit, PlainJobs)
    assert pilots(tmp_path).batchsubmit.machines() is None


def test_stops_submitting_while_most_jobs_are_held(tmp_path: Path) -> None:
    """A full disk holds every pilot; without this check held pilots would pile up."""
    queue = pilots(tmp_path)
    held = queue.batchsubmit.plan(Ask(5), BatchStatus(pending=2, running=3, held=30), Memory(), NOW)
    assert held.actions == ()
    assert "held" in held.notes[0]
    assert queue.batchsubmit.plan(Ask(5), BatchStatus(pending=2, running=30, held=30), Memory(), NOW).actions
    assert queue.batchsubmit.plan(Ask(5), BatchStatus(held=3), Memory(), NOW).actions
