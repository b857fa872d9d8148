"""Faults of the cloud's API: refusals, garbage, slow and lost answers."""

from __future__ import annotations

from functools import partial

from tests.faults.cloudfaults import Answers
from tests.faults.scenario import scenario
from tests.faults.site import CAP, Site

GROUP = "the cloud's API"

_VM_JOBS = "JobUniverse == 9"

_REFUSALS = (
    ("throttling (503 RequestLimitExceeded)", 503, "RequestLimitExceeded"),
    ("no capacity (InsufficientInstanceCapacity)", 500, "InsufficientInstanceCapacity"),
    ("quota of instances (InstanceLimitExceeded)", 400, "InstanceLimitExceeded"),
    ("quota of cores (VcpuLimitExceeded)", 400, "VcpuLimitExceeded"),
    ("401 AuthFailure", 401, "AuthFailure"),
    ("403 UnauthorizedOperation", 403, "UnauthorizedOperation"),
    ("500 InternalError", 500, "InternalError"),
)
_LAUNCH_ONLY = {"InsufficientInstanceCapacity", "InstanceLimitExceeded", "VcpuLimitExceeded"}


def _refusal(status: int, code: str) -> Answers:
    actions = ("RunInstances",) if code in _LAUNCH_ONLY else ()
    return Answers("error", actions, status=status, code=code)


def _while_it_grows(site: Site, fault: Answers, hits: int = 3) -> None:
    """Two VMs are busy and a third is needed while the cloud is broken; it is bought after the repair."""
    with site.cloud_breaks(fault):
        site.submit(3)
        site.wait_hits(hits if not fault.actions else 1, *fault.actions)
        site.factory.rounds(3)
        assert site.factory.states()["busy"] >= 2, "running VMs are not touched"
    site.health_reset()
    site.wait(lambda: len(site.machines()) >= 3, "the third VM", 180)


def _while_it_shrinks(site: Site, fault: Answers, hits: int = 2) -> None:
    """The jobs end while the cloud is broken, so that no instance can be terminated."""
    with site.cloud_breaks(fault):
        site.open_gate()
        site.wait_hits(hits, *fault.actions)
        site.factory.rounds(3)


for _name, _status, _code in _REFUSALS:
    scenario(_name, GROUP)(partial(_while_it_grows, fault=_refusal(_status, _code)))


for _title, _fault in {
    "garbage in answers to launches": Answers("garbage", ("RunInstances",)),
    "answers take 7 s": Answers("slow", seconds=7),
    "connection reset after the instance was made": Answers("lost", ("RunInstances",)),
    "every second answer is lost": Answers("lost", one_in=2),
}.items():
    # HTCondor 25 may wait forever after a launch whose answer was lost; starttimeout ends that.
    scenario(_title, GROUP, keys={"batchsubmit__condorec2__starttimeout": 60})(partial(_while_it_grows, fault=_fault))

for _title, _fault in {
    "terminations fail (500)": Answers("error", ("TerminateInstances",), status=500, code="InternalError"),
    "terminations are throttled": Answers("error", ("TerminateInstances",), code="RequestLimitExceeded"),
    "answers to terminations are lost": Answers("lost", ("TerminateInstances",)),
    "garbage while VMs end": Answers("garbage"),
    "403 while VMs end": Answers("error", status=403, code="UnauthorizedOperation"),
}.items():
    scenario(_title, GROUP)(partial(_while_it_shrinks, fault=_fault))


@scenario("DescribeInstances omits instances for 20 s", GROUP, running=0)
def _omits(site: Site) -> None:
    """HTCondor completes their VM jobs."""
    with site.cloud_breaks(Answers("omit", seconds=20)):
        site.submit(4)
        site.wait_hits(2)
        site.wait_until_runs(1)
        site.wait(lambda: len(site.machines()) >= CAP, "VMs")


@scenario("garbage while jobs run", GROUP)
def _garbage(site: Site) -> None:
    """HTCondor reads garbage as a list without instances."""
    with site.cloud_breaks(Answers("garbage")):
        site.submit(1)
        site.wait_hits(3)
        site.factory.rounds(3)


@scenario("VM jobs removed by hand while terminations are answered with garbage", GROUP, running=CAP)
def _removed_by_hand(site: Site) -> None:
    """HTCondor takes garbage for success, and forgets instances that run on; they count against the cap."""
    site.submit(2)
    with site.cloud_breaks(Answers("garbage", ("TerminateInstances", "DescribeInstances"))):
        removed = [job["ClusterId"] for job in site.pool.jobs(_VM_JOBS, "ClusterId")]
        site.pool.run("condor_rm", *map(str, removed))
        clusters = " || ".join(f"ClusterId == {cluster}" for cluster in removed)
        site.wait(lambda: not site.pool.jobs(clusters), "the VM jobs leave the queue", 180)
        site.factory.rounds(5)
    site.health_reset()
