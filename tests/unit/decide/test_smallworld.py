"""Stateful test: the rules hold after any sequence of events, and every VM ends.

``APF_BIG=1`` runs eighty times as many steps.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from factory.config.queues import Config
from factory.decide.advance import advance
from factory.decide.decide import decide
from factory.decide.decision import Decision
from factory.model.actions import Method, Release, Remove, Retire, Submit, Unretire
from factory.model.memory import Memory
from factory.model.source import Reading
from factory.model.status import BatchStatus
from factory.model.vm import Hold, VMState
from factory.world.build import WorldInputs, make_world
from tests.rig.queues import VMS, make_queue
from tests.rig.smallworld import HELD, IDLE, REMOVED, RUNNING, UPDATE_S, Host, SmallWorld

MAXINSTANCES, FRACTION = 8, 0.4
MAXAGE_S, IDLE_S = 360, 300
MANY, FEW = 6, 2
"""Values of ``maximum`` that the configuration changes between."""


def _config(maximum: int, **more: object) -> Config:
    keys = {
        **VMS,
        "wmsstatusplugin": "CondorLocal",
        "wmsqueue": "Q",
        "schedplugin": "Ready, MaxToRun, RetireIdle",
        "sched.maxtorun.maximum": maximum,
        "sched.retireidle.after": IDLE_S,
        "batchsubmit.condorec2.maxinstances": MAXINSTANCES,
        "batchsubmit.condorec2.removefraction": FRACTION,
        **more,
    }
    with tempfile.TemporaryDirectory() as directory:
        queue = make_queue(Path(directory), keys, factory={"update_interval": UPDATE_S, "maxage": MAXAGE_S})
    return Config(factory=queue.batchstatus.factory, queues=(queue,))


CONFIGS = {
    (maximum, method): _config(maximum, **{"batchsubmit.condorec2.retire": method})
    for maximum in (MANY, FEW)
    for method in ("auto", "off", "drain")
}
QUEUE = CONFIGS[MANY, "auto"].queues[0]
assert QUEUE.wmsstatus is not None
POOL, JOBS = (source.key for source in QUEUE.batchstatus.sources())
(DEMAND,) = (source.key for source in QUEUE.wmsstatus.sources())
NOTHING = Hold(37, 10, "<Code>InsufficientInstanceCapacity</Code><Message>no</Message>")
STUCK = Hold(42, 3, "termination failed", status_on_release=REMOVED)

pick = st.integers(0, 99)
"""Index of the host that an event happens to."""


class Factory(RuleBasedStateMachine):
    """The factory's decisions in the small world."""

    def __init__(self) -> None:
        super().__init__()
        self.world = SmallWorld()
        self.memory = Memory()
        self.acted: dict[str, float] = {}
        self.readings: dict[str, Reading] = {}
        self.paused = False
        self.maximum, self.method = MANY, "auto"

    def some(self, which: int, *, alive: bool = True, **state: object) -> Host | None:
        """Return one of the hosts in a state, if there is one."""
        hosts = [
            host
            for host in self.world.hosts.values()
            if host.alive is alive and all(getattr(host, name) == value for name, value in state.items())
        ]
        return hosts[which % len(hosts)] if hosts else None

    @initialize(number=st.integers(0, 8))
    def a_factory_at_work(self, number: int) -> None:
        self.world.idle_jobs = number
        for _ in range(3):
            self.poll()
            self.decide_and_act()
            self.all_goes_well()

    # Work

    @rule()
    def all_goes_well(self) -> None:
        for which in range(MAXINSTANCES):
            self.an_instance_starts(which)
            self.a_machine_joins(which)
            self.a_job_starts(which)
        self.world.pass_time(UPDATE_S)

    @rule()
    def all_jobs_end(self) -> None:
        for host in list(self.world.hosts.values()):
            if host.silent_since is None and host.jobs:
                host.change(jobs=0, idle_since=self.world.now)
                self.world.report(host)
        self.world.pass_time(UPDATE_S)

    @rule(number=st.integers(1, 6))
    def jobs_come(self, number: int) -> None:
        self.world.idle_jobs = min(self.world.idle_jobs + number, 12)

    @rule(number=st.integers(1, 6))
    def jobs_are_withdrawn(self, number: int) -> None:
        self.world.idle_jobs = max(0, self.world.idle_jobs - number)

    @rule(which=pick)
    def a_job_starts(self, which: int) -> None:
        host = self.some(which, startd=True, leaving=None, silent_since=None, jobs=0, unheard=False)
        if host is not None and self.world.idle_jobs:
            self.world.idle_jobs -= 1
            host.change(jobs=1, served=True)
            self.world.report(host)

    @rule(which=pick)
    def a_job_ends(self, which: int) -> None:
        host = self.some(which, startd=True, silent_since=None, jobs=1)
        if host is not None:
            host.change(jobs=0, idle_since=self.world.now)
            self.world.report(host)
            self.world.pass_time(0)

    # The cloud, and machines

    @rule(which=pick)
    def an_instance_starts(self, which: int) -> None:
        host = self.some(which, alive=False, status=IDLE)
        if host is not None:
            host.change(status=RUNNING, entered=self.world.now, alive=True, instance=f"i-{host.uuid}")

    @rule(which=pick)
    def the_cloud_takes_an_instance_on(self, which: int) -> None:
        host = self.some(which, alive=False, status=IDLE)
        if host is not None:
            host.change(instance=f"i-{host.uuid}")

    @rule(which=pick)
    def the_cloud_refuses(self, which: int) -> None:
        host = self.some(which, alive=False, status=IDLE, instance=None)
        if host is not None:
            host.change(status=HELD, entered=self.world.now, hold=NOTHING)

    @rule(which=pick)
    def a_machine_joins(self, which: int) -> None:
        host = self.some(which, startd=False, shown=(None, None), silent_since=None)
        if host is not None:
            self.world.start_startd(host)

    @rule(which=pick)
    def a_machine_joins_and_the_collector_refuses_its_startd(self, which: int) -> None:
        host = self.some(which, startd=False, shown=(None, None), silent_since=None)
        if host is not None:
            host.unheard = True
            self.world.start_startd(host)

    @rule(which=pick)
    def a_machine_joins_without_a_startd(self, which: int) -> None:
        host = self.some(which, startd=False, shown=(None, None), silent_since=None)
        if host is not None:
            host.change(since=self.world.now)
            self.world.report(host)

    @rule(which=pick)
    def a_removed_instance_ends(self, which: int) -> None:
        host = self.some(which, alive=False, status=REMOVED)
        if host is not None:
            self.world.remove(host)

    @rule(which=pick)
    def a_termination_fails(self, which: int) -> None:
        host = self.some(which, alive=False, status=REMOVED)
        if host is not None:
            host.change(status=HELD, entered=self.world.now, hold=STUCK)

    @rule(which=pick)
    def a_termination_is_refused_and_the_machine_lives_on(self, which: int) -> None:
        host = self.some(which, alive=False, status=REMOVED)
        if host is not None:
            host.change(status=HELD, entered=self.world.now, hold=STUCK, alive=True)

    @rule(which=pick)
    def an_instance_dies(self, which: int) -> None:
        host = self.some(which)
        if host is not None:
            self.world.remove(host)

    @rule(which=pick)
    def a_host_becomes_unreachable(self, which: int) -> None:
        host = self.some(which, silent_since=None)
        if host is not None:
            host.silent_since = self.world.now

    @rule(which=pick)
    def a_host_becomes_reachable_again(self, which: int) -> None:
        silent = [host for host in self.world.hosts.values() if host.silent_since is not None]
        if silent:
            silent[which % len(silent)].silent_since = None

    @rule(which=pick)
    def a_startd_crashes(self, which: int) -> None:
        host = self.some(which, startd=True, silent_since=None, jobs=0)
        if host is not None:
            host.change(startd=False)
            self.world.report(host)

    @rule(which=pick, method=st.sampled_from(("off", "drain")))
    def an_administrator_retires_a_machine(self, which: int, method: Method) -> None:
        host = self.some(which, startd=True, silent_since=None, leaving=None)
        if host is not None:
            host.change(leaving=method, theirs=True)
            self.world.report(host)

    @rule(which=pick)
    def an_administrator_cancels_a_drain(self, which: int) -> None:
        host = self.some(which, theirs=True, leaving="drain")
        if host is not None:
            host.change(leaving=None, theirs=False)
            self.world.report(host)

    # Time, and the factory

    @rule(maximum=st.sampled_from((MANY, FEW)), method=st.sampled_from(("auto", "auto", "off", "drain")))
    def the_configuration_changes(self, maximum: int, method: str) -> None:
        self.maximum, self.method = maximum, method

    @rule(seconds=st.sampled_from((1, 10, 30, 60, 60, 60, 130, 400, 1000, 2000, 4000)))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule()
    def the_collector_restarts(self) -> None:
        self.world.collector_since = self.world.now

    @rule()
    def the_factory_restarts(self) -> None:
        self.memory, self.acted, self.readings = Memory(), {}, {}

    @rule(paused=st.booleans())
    def a_person_pauses_or_resumes(self, paused: bool) -> None:
        self.paused = paused

    @rule(
        silent=st.sets(st.sampled_from((POOL, JOBS, DEMAND)), max_size=2),
        old=st.sets(st.sampled_from((POOL, JOBS, DEMAND)), max_size=2),
        lost=st.sampled_from((False, False, False, True)),
    )
    def a_round(self, silent: set[str], old: set[str], lost: bool) -> None:
        self.poll(silent, old)
        self.decide_and_act(lost)

    @rule(old=st.sets(st.sampled_from((POOL, JOBS, DEMAND)), min_size=1, max_size=2))
    def a_round_with_readings_from_before_the_last_act(self, old: set[str]) -> None:
        self.good_rounds(0, 1)
        self.poll(old=old)
        self.decide_and_act()

    @rule(apart=st.sampled_from((0, 20, 60, 130, 400)), number=st.integers(1, 4))
    def good_rounds(self, apart: int, number: int) -> None:
        for _ in range(number):
            self.world.pass_time(apart)
            self.poll()
            self.decide_and_act()

    def poll(self, silent: set[str] = frozenset(), old: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Read the sources. ``silent``: these fail. ``old``: these have not answered; their last reading is used."""
        self.world.now += 1
        now = self.world.now
        rows = {POOL: self.world.pool(), JOBS: self.world.vm_jobs(), DEMAND: self.world.demand()}
        for key, row in rows.items():
            if key in silent:
                self.readings[key] = Reading(key, now, now, None, "no answer", MAXAGE_S)
            elif key not in old:
                self.readings[key] = Reading(key, now, now, row, None, MAXAGE_S)

    def decide_and_act(self, lost: bool = False) -> None:
        """Run a round. ``lost``: commands do not reach machines."""
        paused = {"Q": "paused"} if self.paused else {}
        now = self.world.now = self.world.now + 1
        world = make_world(
            now, WorldInputs(self.readings, self.memory, self.acted, "1000 host 1", 2 * UPDATE_S, paused)
        )
        round_ = decide(CONFIGS[self.maximum, self.method], world, {"Q"})
        (decision,) = round_.decisions
        self.check_rules(decision)
        outcomes = [self.world.act(action, delivered=not lost) for action in round_.actions]
        if round_.actions:
            self.world.now += 1
            self.acted["Q"] = self.world.now
        self.memory = advance(world, round_, outcomes, self.world.now)

    # Rules

    def usable(self, key: str) -> bool:
        """True if a reading may be used by rules 2 and 3, without the code under test."""
        reading = self.readings.get(key)
        if reading is None or reading.error is not None:
            return False
        young = self.world.now - reading.started <= MAXAGE_S
        return young and reading.started > self.acted.get("Q", 0)

    def check_rules(self, decision: Decision) -> None:
        assert decision.broken is None, decision.broken
        actions = decision.actions
        usable = {key: self.usable(key) for key in (POOL, JOBS, DEMAND)}
        bought = sum(action.n for action in actions if isinstance(action, Submit))
        removed = [action for action in actions if isinstance(action, Remove)]
        retired = [action for action in actions if isinstance(action, Retire) and not action.repeat]
        if self.paused or not (usable[POOL] and usable[JOBS]):
            assert not actions, "rule 2: no action on stale or missing data, nor while paused"
        if not usable[DEMAND]:
            assert not bought, "rule 2: unknown demand buys nothing"
        if not isinstance(decision.batch, BatchStatus):
            assert not actions
            return
        batch = decision.batch
        assert all(action.reason for action in actions), "rule 13"
        limit = max(1, int(FRACTION * len(batch.vms)))
        asked = [action for action in removed if "not needed" in action.reason]
        machines = [a for a in removed if a.vm is not None and (a.vm.instance is not None or a.vm.hold is None)]
        assert len(set(machines) - set(asked)) <= limit, "rule 8; a job held without an instance is no VM"
        assert len(retired) + len(asked) <= limit, "rule 8"
        if bought:
            assert len(batch.vms) + bought <= MAXINSTANCES, "rule 6"
            assert batch.pending + batch.running + batch.unaccounted + bought <= self.maximum
            ready = self.readings[DEMAND].rows.by_attribute["MATCH_APF_QUEUE"]["Q"][IDLE]
            assert bought + batch.pending - batch.stuck <= ready, "starting VMs count"
        fresh = all(self.readings[key].started == self.readings[POOL].started for key in (POOL, JOBS))
        ends = [action for action in actions if isinstance(action, Release) and action.ends]
        for release in ends:
            host = self.world.hosts.get(release.vm.uuid)
            assert host is None or not fresh or not host.jobs or host.silent_since is not None, "rule 5"
        for removal in removed:
            assert removal.vm is not None
            host = self.world.hosts.get(removal.vm.uuid)
            if host is None or not fresh:
                continue
            unseen = removal.absent and host.silent_since is not None
            assert not host.jobs or unseen, "rule 5, before act checks again"
        for action in actions:
            if isinstance(action, Unretire):
                host = self.world.hosts.get(action.vm.uuid)
                only_theirs = host is not None and host.theirs and host.retire is None
                assert not fresh or not only_theirs, "a retirement by an administrator stands"
            if isinstance(action, Retire):
                assert action.vm.state is not VMState.DONE

    @invariant()
    def no_more_vms_than_the_hard_cap(self) -> None:
        assert len(self.world.hosts) <= MAXINSTANCES

    @invariant()
    def no_job_was_killed(self) -> None:
        assert not self.world.killed, "rule 5"

    def teardown(self) -> None:
        """Check that every VM ends long before its lease once no jobs wait, and all daemons and the cloud answer."""
        world = self.world
        world.idle_jobs, self.paused = 0, False
        for _ in range(400):
            for host in list(world.hosts.values()):
                if host.silent_since is None and host.startd:
                    if host.theirs:  # the administrator is done
                        host.change(leaving=None, theirs=False)
                    host.change(jobs=0)
                if host.status == REMOVED:
                    world.remove(host)
            world.pass_time(UPDATE_S)
            self.poll()
            self.decide_and_act()
            if not world.hosts:
                return
            world.idle_jobs = 0
        left = [(host.uuid, host.status, host) for host in world.hosts.values()]
        raise AssertionError(f"these VMs have not ended after {400 * UPDATE_S} s: {left}")


_BIG = bool(os.environ.get("APF_BIG"))
"""Runs for about ten minutes."""
Factory.TestCase.settings = settings(
    max_examples=4000 if _BIG else 100,
    stateful_step_count=80 if _BIG else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWhateverHappens = pytest.mark.timeout(3600 if _BIG else 120)(Factory.TestCase)
