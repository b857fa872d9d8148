"""No ad of a user or a machine stops the others: what can't be read, or could do harm, is left out and named.

Thirty attributes that double each other are not among these jobs: condor_submit and the schedd hang when they evaluate
them. tests/unit/condor/classad/test_ad_guard.py has them.
"""

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from factory.condor.collector.machines import PoolSource
from factory.condor.job_demand import DemandQuery, JobDemandRows, JobDemandSource
from factory.condor.schedd.job_counts import JobCountSource
from factory.condor.schedd.job_facts import job_facts
from factory.condor.schedd.vm_jobs import VMJobsSource
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Demand, Room
from factory.model.vm import JobId
from factory.process.workers import CallTimedOut, Workers
from tests.pool.test_odd_jobs import PLAIN, RULES, negotiated, submit
from tests.rig.pool import Pool
from tests.rig.slots import advertise, partitionable
from tests.rig.wait import until
from tests.rig.workers import asking_alone

MEGABYTE = ['+B0 = "x"', *(f"+B{i} = strcat(B{i - 1}, B{i - 1})" for i in range(1, 21))]
HARMFUL = {
    "deferral that is not UTF-8": ['+DeferralTime = "\xfc"', "requirements = HasJobDeferral =!= true"],
    "request that refers to itself": ["request_memory = max({RequestMemory, 2000})"],
    "infinite request": ["request_memory = 1e400"],
    "request of real infinity": ['request_memory = real("INF")'],
    "limits that refer to themselves": ["+ConcurrencyLimits = ConcurrencyLimits"],
    "requirements that refer to themselves": ["requirements = Foo", "+Foo = Foo"],
    "900 nested parentheses": ["requirements = " + "(" * 900 + "TARGET.Cpus > 0" + ")" * 900],
    "text of a megabyte": [*MEGABYTE, "+ConcurrencyLimits = B20"],
    "owner of a group that is not UTF-8": ['+AccountingGroup = "\xfc"'],
    "universe of another type": ['+JobUniverse2 = "x"', '+Managed = {1, 2}'],
}  # fmt: skip


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("harm"), RULES) as running:
        yield running


@pytest.fixture
def workers(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking_alone(pool, monkeypatch) as running:
        yield running


def poll(workers: Workers, deadline_s: float = 30) -> JobDemandRows:
    source = JobDemandSource(pool=PoolAddress(), queries=frozenset({DemandQuery(None, (PLAIN,))}), factory_id="f")
    rows = workers.call("all", deadline_s, source.fetch)
    assert isinstance(rows, JobDemandRows)
    return rows


def meet(workers: Workers) -> None:
    """Poll until the endless ad is known. Its worker is killed once, or twice on a busy host."""
    with pytest.raises(CallTimedOut):
        poll(workers, deadline_s=8)
    with contextlib.suppress(CallTimedOut):
        poll(workers, deadline_s=25)


def served(rows: JobDemandRows) -> int:
    """Return the number of jobs without a harmful attribute that surely run on a new machine."""
    demand = rows.demand(None)
    assert isinstance(demand, Demand), demand
    return sum(
        group.count
        for group in demand.groups
        if group.problem is None and "Nice" in group.requirements and demand.on_shapes[group.key, PLAIN.key].ok
    )


BACKTRACKS = 'regexp("^(([a-z])+.)+[A-Z]([a-z])+$", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{}") =?= true'
"""An expression that takes a fifth of a second."""
ENDLESS = " || ".join(f"({BACKTRACKS.format(i)})" for i in range(150))


def test_job_whose_evaluation_takes_too_long_is_left_out_of_the_next_poll(pool: Pool, workers: Workers) -> None:
    """Nothing tells beforehand that it takes so long: its worker is killed, and the next one knows why."""
    cluster = submit(pool, 1, f"request_memory = ifThenElse({ENDLESS}, 1, 2)")
    submit(pool, 3, "requirements = Nice =!= true && TARGET.Cpus > 0", "+Nice = false")
    meet(workers)
    for _ in range(2):
        rows = poll(workers)
        assert served(rows) == 3
        (named,) = rows.problems
        assert named.startswith(f"job {cluster}.0 of ")
        assert "its evaluation took too long; it is tried again after " in named


def test_machine_whose_evaluation_takes_too_long_is_left_out_of_the_next_poll(pool: Pool, workers: Workers) -> None:
    """The jobs that it was matched with are not."""
    submit(pool, 3, "requirements = Nice =!= true && TARGET.Cpus > 0", "+Nice = false")
    slots = {"good": "TARGET.Owner =!= undefined", "slow": f'TARGET.Owner =!= "nobody" && ({ENDLESS})'}
    advertise(pool, [partitionable(name, 8, 16_000, Start=start) for name, start in slots.items()])
    meet(workers)
    for _ in range(2):
        rows = poll(workers)
        assert served(rows) == 3
        assert [machine.name for machine in rows.pool.machines] == ["slot1@good"]
        (named,) = rows.problems
        assert "slot1@slow" in named
        assert "its evaluation took too long" in named


@pytest.mark.parametrize("which", [which for which in HARMFUL if "themselves" in which or "itself" in which])
def test_job_that_is_not_evaluated_is_named_and_explained(pool: Pool, workers: Workers, which: str) -> None:
    cluster = submit(pool, 1, *HARMFUL[which])
    (named,) = poll(workers).problems
    assert named.startswith(f"job {cluster}.0 of ")
    assert "refers to itself" in named
    facts = workers.call("all", 30, job_facts, ScheddAddress(), JobId(int(cluster), 0), [])
    assert facts is not None
    assert facts.ask == Room()


@pytest.mark.parametrize("lines", HARMFUL.values(), ids=HARMFUL.keys())
def test_other_jobs_get_their_machines(pool: Pool, workers: Workers, lines: list[str]) -> None:
    try:
        submit(pool, 1, *lines)
    except subprocess.CalledProcessError:
        assert lines == HARMFUL["900 nested parentheses"], "HTCondor 25 refuses only this one"
    submit(pool, 3, "requirements = Nice =!= true && TARGET.Cpus > 0", "+Nice = false")
    advertise(pool, [partitionable("up", 8, 16_000, Start="TARGET.Owner =!= undefined")])
    assert served(poll(workers)) == 3, "before the schedd negotiates"
    negotiated(pool)
    for _ in range(2):
        assert served(poll(workers)) == 3
    counts = workers.call("all", 30, JobCountSource(schedd=ScheddAddress()).fetch)
    assert counts.total[1] >= 3


def test_job_that_claims_to_run_stops_nothing(pool: Pool, workers: Workers) -> None:
    """A user edits JobStatus and RemoteHost of an own job."""
    job = submit(pool, 1, "hold = true", "+MaxJobRetirementTime = 5", '+RemoteHost = "slot1@\xfc"')
    pool.run("condor_qedit", job, "JobStatus", "2")
    source = VMJobsSource(schedd=ScheddAddress(), owner="apf", factory_id="f")
    rows = workers.call("all", 30, source.fetch)
    assert rows.jobs == ()


def test_machine_whose_ad_is_not_utf_8_stops_no_other(pool: Pool, workers: Workers) -> None:
    of = {"APFFactory": '"f"', "EC2InstanceID": '"i-1"'}
    ads = [partitionable(name, 8, 16_000, APFVM=f'"{name}"', **of) for name in ("vm-1", "vm-\xfc")]
    for slot in ads:
        text = "".join(f"{name} = {value}\n" for name, value in {**slot, "MyAddress": _ADDRESS}.items())
        subprocess.run(
            ["condor_advertise", "-tcp", "UPDATE_STARTD_AD"], input=text.encode("latin-1"), env=pool.env, check=True
        )
    until(lambda: len(pool.run("condor_status", "-af", "State").split()) == 2, "both machines are there")
    rows = workers.call("all", 30, PoolSource(pool=PoolAddress(), factory_id="f").fetch)
    assert "vm-1" in rows.machines
    submit(pool, 1)
    assert poll(workers).pool.machines


_ADDRESS = '"<127.0.0.1:9>"'
