"""Unusual jobs and machines match as in the negotiator and block nothing else."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from factory.condor.job_demand import DemandQuery, JobDemandSource
from factory.condor.schedd.idle_jobs import ScheddQueue
from factory.condor.schedd.job_counts import JobCountSource
from factory.condor.schedd.job_facts import job_facts
from factory.condor.schedd.job_groups import IdleJobs
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Demand, JobGroup, Room, Template
from factory.model.model_facts import ModelFacts
from factory.model.vm import JobId
from factory.process.workers import Workers
from factory.report.explain import group_of
from tests.rig.jobpool import learned
from tests.rig.pool import Pool
from tests.rig.slots import advertise, partitionable
from tests.rig.wait import until
from tests.rig.workers import asking_alone

RULES = """
ALLOW_ADVERTISE_STARTD = *
QUEUE_ALL_USERS_TRUSTED = True
"""
BLUE = Template("blue", Room(16, 64_000, 10**8), (("Start", 'TARGET.Colour == "Blue"'),))
PLAIN = Template("plain", Room(16, 64_000, 10**8))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("odd"), RULES) as running:
        yield running


@pytest.fixture
def workers(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking_alone(pool, monkeypatch) as running:
        yield running


def submit(pool: Pool, count: int, *lines: str) -> str:
    """Submit jobs of one core and 100 MB; return their cluster."""
    common = ("executable = /bin/true", "request_memory = 100", "request_disk = 1000", "request_cpus = 1")
    text = "\n".join([*common, *lines, f"queue {count}", ""])
    done = subprocess.run(
        ["condor_submit", "-terse", "-"], input=text.encode("latin-1"), env=pool.env, capture_output=True, check=True
    )
    return done.stdout.decode().split(".")[0]


def negotiated(pool: Pool) -> None:
    """Wait until all idle jobs are in an autocluster."""
    late = "JobStatus == 1 && AutoClusterId =?= undefined"
    until(lambda: not pool.jobs(late, "ClusterId"), "all jobs are in an autocluster", 60)


def fetch(
    workers: Workers,
    *templates: Template,
    selection: str | None = None,
    facts: Mapping[str, ModelFacts] | None = None,
) -> Demand:
    queries = frozenset({DemandQuery(selection, templates)})
    source = JobDemandSource(pool=PoolAddress(), queries=queries, factory_id="f", facts=facts or {})
    demand = workers.call("all", 30, source.fetch).demand(selection)
    assert isinstance(demand, Demand), demand
    return demand


def served(demand: Demand, template: Template) -> int:
    """Return the number of jobs that surely run on a machine of a template."""
    return sum(group.count for group in demand.groups if demand.on_shapes[group.key, template.key].ok)


def of_job(workers: Workers, cluster: str, template: Template) -> JobGroup:
    """Return the group that ``apf explain job`` shows for a job."""
    facts = workers.call("all", 30, job_facts, ScheddAddress(), JobId(int(cluster), 0), [])
    assert facts is not None
    group = group_of(facts, fetch(workers, template))
    assert group is not None
    return group


def on_machines(demand: Demand) -> set[str]:
    """Return the machines that match some job."""
    return {
        machine.name.removeprefix("slot1@")
        for machine in demand.machines
        if any(demand.on_kinds[group.key, machine.kind].ok for group in demand.groups)
    }


def test_splits_groups_by_an_attribute_of_start_and_requirements(pool: Pool, workers: Workers) -> None:
    """The schedd then has the attribute in the autocluster of that one job only."""
    submit(pool, 1, 'My.Colour = "Blue"', "requirements = TARGET.Cpus > 0 || MY.Colour is TARGET.Paint")
    blue = submit(pool, 2, 'My.Colour = "Blue"', "request_memory = 200")
    red = submit(pool, 4, 'My.Colour = "Red"', "request_memory = 200")
    advertise(pool, [partitionable("full", 0, 4_000)])
    negotiated(pool)
    assert served(fetch(workers, BLUE), BLUE) == 3
    assert [of_job(workers, cluster, BLUE).count for cluster in (blue, red)] == [2, 4]


def test_splits_groups_of_new_jobs_by_attributes_of_start(pool: Pool, workers: Workers) -> None:
    """Without a machine in the pool the schedd does not negotiate, so the jobs would wait forever."""
    submit(pool, 1, 'My.Colour = "Blue"')
    advertise(pool, [partitionable("blue", 0, 4_000, Start='TARGET.Colour == "Blue"')])
    negotiated(pool)
    pool.run("condor_advertise", "INVALIDATE_STARTD_ADS", stdin='MyType = "Query"\nRequirements = true\n')
    until(lambda: not pool.slots(), "the machine has gone")
    blue = submit(pool, 2, 'My.Colour = "Blue"')
    red = submit(pool, 4, 'My.Colour = "Red"')
    assert served(fetch(workers, BLUE), BLUE) == 3
    assert of_job(workers, red, BLUE).count == 4
    # The new blue jobs are with the older one as soon as the schedd has put them into its autocluster.
    assert of_job(workers, blue, BLUE).count in (2, 3)


def test_evaluates_time_in_requirements_at_each_poll(pool: Pool, workers: Workers) -> None:
    now = int(time.time())
    submit(pool, 2, f"requirements = time() > {now + 20}")
    advertise(
        pool,
        [
            partitionable("until", 8, 16_000, Start=f"time() < {now + 20}"),
            partitionable("partly", 4, 8_000, GoesAt=now + 20, Start="CurrentTime < GoesAt"),
        ],
    )
    submit(pool, 3, "request_memory = 200")
    negotiated(pool)
    demand = fetch(workers, PLAIN)
    assert (served(demand, PLAIN), on_machines(demand)) == (3, {"until", "partly"})
    until(lambda: time.time() > now + 21, "the time has come", 30)
    demand = fetch(workers, PLAIN)
    assert (served(demand, PLAIN), on_machines(demand)) == (5, set())


def test_start_with_a_time_limit_counts_from_now_for_new_machines(pool: Pool, workers: Workers) -> None:
    """Its ad stays the model for days after the machine is gone."""
    now, template = int(time.time()), Template("t/old", PLAIN.room, queue="Q")
    of = {"APFVM": '"vm-1"', "APFFactory": '"f"', "APFQueue": '"Q"', "APFShape": '"t/old"'}
    submit(pool, 1)
    for start, more, ok, maybe in (
        ("time() - DaemonStartTime < 3600", {"DaemonStartTime": now - 4000}, True, False),
        ("time() < GoesAt", {"GoesAt": now - 10}, False, True),
        ("GoesAt > 5", {"GoesAt": 4}, False, False),
    ):
        advertise(pool, [partitionable("old", 8, 16_000, **of, **more, Start=start)])
        until(lambda: pool.slots("APFVM =!= undefined"), "the machine is there")
        negotiated(pool)
        facts = learned({}, fetch(workers, template))
        demand = fetch(workers, template, facts=facts)
        assert on_machines(demand) == set()
        assert served(demand, template) == ok
        pool.run("condor_advertise", "INVALIDATE_STARTD_ADS", stdin='MyType = "Query"\nRequirements = true\n')
        until(lambda: not pool.slots(), "the machine has gone")
        demand = fetch(workers, template, facts=facts)
        assert served(demand, template) == ok
        assert [demand.on_shapes[group.key, template.key].maybe for group in demand.groups] == [maybe]


def test_splits_machine_classes_by_expressions_behind_attributes(pool: Pool, workers: Workers) -> None:
    submit(pool, 2, "requirements = TARGET.IsGood")
    good = {"IsGood": "Fast && LargeEnough", "LargeEnough": "TotalSlotMemory > LeastMemory", "LeastMemory": 5}
    advertise(pool, [partitionable("fast", 8, 16_000, **good, Fast="true")])
    advertise(pool, [partitionable("slow", 8, 16_000, **good, Fast="false")])
    until(lambda: len(pool.slots()) == 2, "both machines are there")
    negotiated(pool)
    assert on_machines(fetch(workers)) == {"fast"}


def test_splits_machine_classes_by_attributes_in_start(pool: Pool, workers: Workers) -> None:
    submit(pool, 2, 'My.Wants = "B"')
    start = {"Start": "TARGET.Wants == MY.APFQueue"}
    advertise(pool, [partitionable("a", 8, 16_000, **start, APFQueue='"A"')])
    advertise(pool, [partitionable("b", 8, 16_000, **start, APFQueue='"B"')])
    until(lambda: len(pool.slots()) == 2, "both machines are there")
    negotiated(pool)
    assert on_machines(fetch(workers)) == {"b"}


class _NegotiatedMeanwhile:
    """A schedd that puts all jobs into autoclusters between two queries."""

    def __init__(self) -> None:
        import htcondor2

        self.schedd = htcondor2.Schedd()

    def query(self, constraint: str = "true", **more: Any) -> list[Any]:
        late = "JobStatus == 1 && AutoClusterId =?= undefined"
        if late in constraint:
            subprocess.run(["condor_on", "-daemon", "negotiator"], check=True, stdout=subprocess.DEVNULL)
            until(lambda: not self.schedd.query(late, ["ClusterId"]), "all jobs are in an autocluster", 40)
        return list(self.schedd.query(constraint=constraint, **more))


def found_meanwhile() -> int:
    """Return the number of idle jobs in the schedd of this host."""
    found = ScheddQueue(_NegotiatedMeanwhile(), "local").idle_jobs([None], {}, [], time.time())[None]
    assert isinstance(found, IdleJobs)
    return sum(group.count for group in found.groups)


def test_keeps_jobs_negotiated_between_two_queries_of_a_poll(pool: Pool, workers: Workers) -> None:
    pool.run("condor_off", "-daemon", "negotiator")
    until(lambda: not pool.run("condor_status", "-negotiator", "-af", "Name"), "the negotiator is off")
    submit(pool, 3)
    advertise(pool, [partitionable("full", 0, 4_000)])
    assert workers.call("all", 60, found_meanwhile) == 3


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("universe = parallel\nmachine_count = 2", "in a universe other than vanilla, java and vm"),
        ("deferral_time = 4000000000", "deferred"),
        ("cron_month = 2\ncron_day_of_month = 29", "deferred"),
        ("nice_user = true", None),
        ("request_memory = ifThenElse(MemoryUsage isnt undefined, 2 * MemoryUsage, 300)", None),
        ("max_retries = 2\nconcurrency_limits = tape:2", None),
    ],
)
def test_explain_names_why_a_job_is_left_out(pool: Pool, workers: Workers, line: str, why: str | None) -> None:
    cluster = submit(pool, 1, *line.split("\n"))
    timed = "JobStatus == 1 && (CronMonth is undefined || DeferralTime isnt undefined)"
    until(lambda: pool.jobs(timed, "ClusterId"), "the schedd has worked out when it is to start")
    facts = workers.call("all", 30, job_facts, ScheddAddress(), JobId(int(cluster), 0), [])
    assert facts is not None
    assert facts.left_out == why
    demand = fetch(workers)
    assert demand.excluded == ({} if why is None else {why: 1})
    assert (group_of(facts, demand) is None) == (why is not None)


def test_text_that_is_not_utf_8_blocks_nothing(pool: Pool, workers: Workers) -> None:
    odd = ("accounting_group = physik", "accounting_group_user = m\xfcller", 'My.MATCH_APF_QUEUE = "K\xfcche"')
    submit(pool, 2, *odd, 'requirements = TARGET.City == "Z\xfcrich"')
    submit(pool, 3, *odd, '+RequestGPUs = "\xfc"')
    submit(pool, 4, 'My.MATCH_APF_QUEUE = "A"')
    slot = partitionable(
        "z", 8, 16_000, City='"Z\xfcrich"', MyAddress='"<127.0.0.1:9>"', StartdIpAddr='"<127.0.0.1:9>"'
    )
    text = "".join(f"{name} = {value}\n" for name, value in slot.items())
    subprocess.run(
        ["condor_advertise", "-tcp", "UPDATE_STARTD_AD"], input=text.encode("latin-1"), env=pool.env, check=True
    )
    until(lambda: "slot1@z" in pool.run("condor_status", "-af", "Name"), "the machine is there")
    fetch(workers, BLUE, PLAIN)
    negotiated(pool)
    for _ in range(2):
        demand = fetch(workers, BLUE, PLAIN)
        groups = {(group.count, group.problem is None) for group in demand.groups}
        assert groups == {(2, True), (3, False), (4, True)}
        (zurich,) = (group for group in demand.groups if "City" in group.requirements)
        assert demand.on_kinds[zurich.key, demand.machines[0].kind].ok
        assert zurich.accounting_group == r"physik.m\374ller"
    (own,) = fetch(workers, selection='MATCH_APF_QUEUE == "A"').groups
    assert own.count == 4
    rows = workers.call("all", 30, JobCountSource(schedd=ScheddAddress(), constraints=frozenset({"true"})).fetch)
    assert (rows.total[1], rows.by_attribute["MATCH_APF_QUEUE"]["A"][1]) == (9, 4)
