"""Limits and quotas of a pool: jobs that would not start get no machine. All tests change one pool step by step."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from localcloud.process import CloudProcess
from tests.pool.test_fit import FIT, bought, explained, said
from tests.rig.factory import Factory, ec2_queue, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Batch, Work

RULES = {"LICENCE_LIMIT": 0, "GROUP_NAMES": "small", "GROUP_QUOTA_small": 0, "MAX_JOBS_RUNNING": 100}


@dataclass
class Site:
    """A pool whose rules change, and two queues for the same jobs: CHEAP may have one machine, DEAR three."""

    pool: Pool
    factory: Factory
    rules: dict[str, object] = field(default_factory=lambda: dict(RULES))
    running: list[Batch] = field(default_factory=list)

    def submit(self, count: int, **commands: object) -> Batch:
        """Submit jobs that each fill a machine."""
        return Work(self.factory, "CHEAP").submit(
            count, request_cpus=2, requirements=f'TARGET.APFFactory == "{self.factory.id}"', **commands
        )

    def rule(self, **rules: object) -> None:
        """Change the configuration of the pool and wait until its daemons use it."""
        self.rules |= rules
        (self.pool.directory / "rules").write_text("".join(f"{key} = {value}\n" for key, value in self.rules.items()))
        self.pool.run("condor_reconfig", "-daemon", "negotiator")
        self.pool.run("condor_reconfig", "-daemon", "schedd")
        for key, value in rules.items():
            daemon = "-schedd" if key == "MAX_JOBS_RUNNING" else "-negotiator"
            self._known(daemon, key, str(value))

    def _known(self, daemon: str, key: str, value: str) -> None:
        until(lambda: self.pool.run("condor_config_val", daemon, key).strip() == value, f"{key} is {value}")

    def bought(self) -> tuple[int, int]:
        """Return the number of VMs ever bought by CHEAP and by DEAR."""
        return bought(self.factory, "CHEAP").total(), bought(self.factory, "DEAR").total()


@pytest.fixture(scope="module")
def site(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("rules")
    keys = {
        **FIT,
        "sched__fit__after": 8,
        "batchsubmit__condorec2__instance_type": "m5.large",
        "batchsubmit__condorec2__drain_before": 60,
    }
    queues = {
        name: ec2_queue(cloud, "CHEAP", **(keys | {"priority": priority, "sched__maxtorun__maximum": most}))
        for name, priority, most in (("CHEAP", 1, 1), ("DEAR", 2, 3))
    }
    with Pool(directory / "pool", f"include ifexist : {directory}/pool/rules\n", name="rules@pool") as pool:
        factory = Factory(directory, pool, "rules", queues)
        made = Site(pool, factory)
        made.rule(**RULES)
        pool.run("condor_userprio", "-setceil", "bob@pool.test", "0")
        with removed_at_end(factory):
            yield made


def test_buys_nothing_beyond_a_limit_quota_or_ceiling(site: Site) -> None:
    factory = site.factory
    licence = site.submit(3, concurrency_limits="licence")
    group = site.submit(2, accounting_group="small", accounting_group_user="eve")
    site.submit(1, accounting_group_user="bob")
    factory.start()
    factory.active = True
    factory.rounds(4)  # one round is one queue here
    assert site.bought() == (0, 0)
    assert "no jobs are waiting for a machine" in said(factory, "DEAR")
    assert "3 jobs exceed the concurrency limit licence, 0 of 0 in use" in said(factory, "DEAR")
    assert "2 jobs exceed the quota of small, 0 of 0 cores in use" in said(factory, "DEAR")
    assert "1 job exceeds the ceiling of bob, 0 of 0 cores in use" in said(factory, "DEAR")
    text = explained(factory, "job", f"{licence.cluster}.0")
    assert "3 of them exceed the concurrency limit licence" in text
    before = len(factory.journal())
    site.rule(LICENCE_LIMIT=1, GROUP_QUOTA_small=2)
    until(lambda: site.bought() == (1, 1), "a machine for each job that may start")
    first = next(i for i, entry in enumerate(factory.journal()[before:]) if entry["outcome"] == "submit")
    assert first < 6, "two queues; the new limits take a moment, and a round may have been under way"
    for batch in (licence, group):
        batch.wait_running(1)
    site.running = [licence, group]
    factory.rounds(4)
    assert site.bought() == (1, 1)
    assert "2 jobs exceed the concurrency limit licence, 1 of 1 in use" in said(factory, "DEAR")
    assert "1 job exceeds the quota of small, 2 of 2 cores in use" in said(factory, "DEAR")


def test_buys_nothing_for_a_schedd_at_max_jobs_running(site: Site) -> None:
    site.rule(MAX_JOBS_RUNNING=2)
    full = 'Name == "rules@pool" && MaxJobsRunning == 2 && ShadowsRunning == 2'
    until(lambda: site.pool.run("condor_status", "-schedd", "-const", full, "-af", "Name"), "the schedd's ad says so")
    words = "exceed the MAX_JOBS_RUNNING of rules@pool, 2 of 2 jobs running"
    more = site.submit(1)
    until(lambda: words in said(site.factory, "DEAR"), "the factory names the limit")
    site.factory.rounds(4)
    assert words in said(site.factory, "DEAR")
    assert site.bought() == (1, 1)
    site.pool.run("condor_rm", str(more.cluster))
    site.rule(MAX_JOBS_RUNNING=100)
    until(
        lambda: not site.pool.run("condor_status", "-schedd", "-const", full, "-af", "Name"),
        "the schedd's ad shows the new limit",
    )


def test_dear_queue_empties_first_and_ending_lease_is_no_room(site: Site) -> None:
    factory, pool = site.factory, site.pool
    pool.run("condor_off", "-daemon", "negotiator")  # so that waiting jobs keep waiting
    pool.run("condor_rm", "-constraint", "JobUniverse == 5 && JobStatus == 1")
    for batch in site.running:
        batch.open()
    until(lambda: not pool.jobs("JobUniverse == 5 && JobStatus == 2", "ClusterId"), "their jobs have ended")
    # A partitionable slot shows freed resources a moment after its jobs are gone.
    until(lambda: pool.run("condor_status", "-af", "Cpus").split() == ["2", "2"], "the collector knows of all the room")
    site.submit(1, accounting_group_user="carol")  # has no claim
    until(lambda: _left(factory, "DEAR"), "the dear VM is asked to retire")
    (vm,) = factory.vms("CHEAP")
    assert vm["state"] in ("idle", "joined")
    assert not _left(factory, "CHEAP")
    assert site.bought() == (1, 1)
    end = int(factory.status()["written"]) + 300  # less than sched.fit.minlife
    pool.run("condor_qedit", vm["job"], "APFLeaseEnd", str(end))
    before = len(factory.journal())
    until(
        lambda: any(e["queue"] == "DEAR" and e["n"] == 1 for e in factory.journal()[before:]),
        "a machine of DEAR is wanted in place of the one that ends soon, the one that was asked to leave or a new one",
    )


def test_names_a_quota_that_grows_with_the_pool(site: Site) -> None:
    factory, pool = site.factory, site.pool
    pool.run("condor_rm", "-constraint", "JobUniverse == 5")
    pool.run("condor_on", "-daemon", "negotiator")
    until(lambda: pool.run("condor_status", "-negotiator", "-af", "Name"), "the negotiator is back")
    site.rule(GROUP_NAMES="small, part", GROUP_QUOTA_DYNAMIC_part=0.5)
    jobs = site.submit(3, accounting_group="part", accounting_group_user="zoe")
    jobs.wait_running(1)
    words = "under the quota of part, 2 of"
    until(lambda: words in said(factory, "DEAR"), "the factory names the quota", 60)
    assert "which grows with the pool" in said(factory, "DEAR")


def _left(factory: Factory, queue: str) -> bool:
    """True if a VM of a queue was asked to retire."""
    return any(a["kind"] == "retire" for e in factory.journal() if e["queue"] == queue for a in e["actions"])
