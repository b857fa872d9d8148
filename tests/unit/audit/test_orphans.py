"""Orphans: recognition, waiting times and steps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from factory.audit.history import AuditHistory, AuditSnapshot, OrphanRules, mark_tried
from factory.audit.inventory import build_inventory
from factory.audit.orphans import Orphan, OrphanStep, find_orphans
from factory.model.cloud import InstanceRow, KeyPairOwner
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import Hold
from factory.model.vm_job import VMJobRow
from tests.rig.vms import NOW, job, machine, master

RULES = OrphanRules(apart_s=300, fresh_s=60)
SCHEDD = "ap@pool"
LEFT = {"SSH_cm.example_ap@pool#7.3#1700000000": KeyPairOwner.LEFT}


def instance(name: str = "i-1", vm: str = "vm1", state: str = "running", **fields: object) -> InstanceRow:
    row = InstanceRow(name, state, vm, "Q", "m5.large", "us-east-1a", NOW + 100, SCHEDD)
    return replace(row, **fields)  # type: ignore[arg-type]


def snapshot(
    tick: float,
    jobs: Iterable[VMJobRow] = (),
    instances: Iterable[InstanceRow] = (),
    machines: Iterable[MachineRow] = (),
    masters: Iterable[MasterRow] = (),
    key_pairs: Mapping[str, KeyPairOwner] = MappingProxyType({}),
    complete: bool = True,
    shown: set[str] | None = None,
    account: str = "cloud",
) -> AuditSnapshot:
    """Return a snapshot of one account.

    ``shown``: instances that the ads of vm1 come from; None: the one that its startd reports.
    """
    instances, machines = tuple(instances), tuple(machines)
    ids = {row.vm: frozenset({row.instance or ""}) for row in machines}
    if shown is not None:
        ids["vm1"] = frozenset(shown)
    pool = PoolRows(10_000, {row.vm: row for row in machines}, {row.vm: row for row in masters}, ids)
    return AuditSnapshot(
        inventory=build_inventory(jobs, pool, instances, key_pairs),
        schedd=SCHEDD,
        now=NOW,
        tick=tick,
        instances={each.id: account for each in instances},
        key_pairs=dict.fromkeys(key_pairs, account),
        answered=frozenset({account}),
        complete=complete,
    )


def run(*snapshots: AuditSnapshot, rules: OrphanRules = RULES, before: AuditHistory | None = None) -> dict[str, Orphan]:
    """Return the orphans of the last of these audits, by name. An audit that saw nothing comes before them."""
    history = before or find_orphans(snapshot(0), AuditHistory(), rules)[1]
    orphans: tuple[Orphan, ...] = ()
    for each in snapshots:
        orphans, history = find_orphans(each, history, rules)
    return {orphan.name: orphan for orphan in orphans}


def twice(rules: OrphanRules = RULES, **seen: object) -> Orphan:
    """Return the only orphan after two equal audits."""
    (orphan,) = run(snapshot(10, **seen), snapshot(310, **seen), rules=rules).values()  # type: ignore[arg-type]
    return orphan


def test_terminates_instance_that_never_joined_after_two_audits() -> None:
    once, soon, later = (snapshot(tick, instances=[instance()]) for tick in (10, 300, 310))
    assert run(once)["i-1"].step is OrphanStep.WAIT
    assert run(once, soon)["i-1"].step is OrphanStep.WAIT
    orphan = run(once, soon, later)["i-1"]
    assert (orphan.step, orphan.absent, orphan.counts) == (OrphanStep.TERMINATE, True, True)


def test_starts_over_when_the_vm_job_shows_up_between_two_audits() -> None:
    alone, owned = ([instance()], [job()])
    snapshots = [
        snapshot(10, instances=alone),
        snapshot(200, jobs=owned, instances=alone),
        snapshot(310, instances=alone),
    ]
    assert run(*snapshots)["i-1"].step is OrphanStep.WAIT


@pytest.mark.parametrize(
    ("row", "step", "why"),
    [
        (instance(), OrphanStep.TERMINATE, "never joined"),
        (instance(state="stopped"), OrphanStep.TERMINATE, "the cloud says that it is stopped"),
        (instance(state="error"), OrphanStep.TERMINATE, "the cloud says that it is error"),
        (instance(schedd="other@pool"), OrphanStep.REPORT, "its tags name schedd other@pool"),
        (instance(schedd=""), OrphanStep.REPORT, "its tags name no schedd"),
        (instance(vm=""), OrphanStep.REPORT, "its tags name no VM"),
    ],
)
def test_terminates_only_instances_that_are_certainly_ours(row: InstanceRow, step: OrphanStep, why: str) -> None:
    orphan = twice(instances=[row])
    assert orphan.step is step
    assert why in orphan.why


@pytest.mark.parametrize(
    ("machines", "masters", "step", "why"),
    [
        ([machine()], [master()], OrphanStep.DRAIN, "0 claims"),
        ([machine(claims=2)], [], OrphanStep.DRAIN, "2 claims"),
        ([machine(claims=2, retiring=1)], [], OrphanStep.DRAIN, "2 claims"),
        ([machine(claims=2, retiring=2)], [], OrphanStep.WAIT, "retiring, 2 claims"),
        ([machine(claims=2, drain_reason="apf f1: x")], [], OrphanStep.WAIT, "draining, 2 claims"),
        ([machine(claims=2, drain_reason="defrag")], [], OrphanStep.WAIT, "draining, 2 claims"),
        ([machine(instance="i-2")], [], OrphanStep.REPORT, "runs on i-2"),
        ([machine(heard=NOW - 100)], [master(heard=NOW - 100)], OrphanStep.TERMINATE, "never joined"),
        ([], [master()], OrphanStep.WAIT, "its startd is not"),
        ([], [master(startd_runs=False)], OrphanStep.TERMINATE, "empty"),
        ([], [master(startd_runs=False, started=NOW - 60)], OrphanStep.WAIT, "its startd is not"),
    ],
)
def test_retires_peacefully_what_is_in_the_pool(
    machines: list[MachineRow], masters: list[MasterRow], step: OrphanStep, why: str
) -> None:
    """Rule 5."""
    orphan = twice(instances=[instance()], machines=machines, masters=masters)
    assert orphan.step is step
    assert why in orphan.why


def test_waits_an_hour_for_a_vm_that_left_the_pool() -> None:
    """Rule 5: absence is not proof."""
    joined = snapshot(10, instances=[instance()], machines=[machine()])
    assert run(joined, snapshot(2000, instances=[instance()]))["i-1"].step is OrphanStep.WAIT
    assert run(joined, snapshot(2000, instances=[instance()]), snapshot(3611, instances=[instance()]))["i-1"].step is (
        OrphanStep.TERMINATE
    )


@pytest.mark.parametrize(("lease_s", "lost_s"), [(30, 3600), (2400, 3600), (7200, 10_800)])
def test_wait_for_a_vm_that_left_the_pool_covers_any_job_lease(lease_s: float, lost_s: float) -> None:
    assert OrphanRules(job_lease_s=lease_s).lost_s == lost_s


def test_terminates_drained_vm_once_its_master_reports_no_startd() -> None:
    gone = [master(startd_runs=False, started=NOW - 60)]
    joined = snapshot(10, instances=[instance()], machines=[machine()])
    assert run(joined, snapshot(310, instances=[instance()], masters=gone))["i-1"].step is OrphanStep.TERMINATE


def test_remembers_since_when_an_instance_is_proven_empty() -> None:
    gone = [master(startd_runs=False)]
    for first, later in (
        (snapshot(10, instances=[instance()], masters=gone), snapshot(310, instances=[instance()], masters=gone)),
        (snapshot(10, instances=[instance(state="stopped")]), snapshot(310, instances=[instance(state="stopped")])),
    ):
        assert (run(first)["i-1"].proven_s, run(first, later)["i-1"].proven_s) == (0, 300)
        again = snapshot(310, instances=[instance()], machines=[machine()])
        assert run(first, again, replace(later, tick=610))["i-1"].proven_s == 0, "its startd was back meanwhile"
    assert twice(instances=[instance()]).proven_s is None, "absence is no proof"
    over = snapshot(10, [job()], [instance(state="terminated")]), snapshot(310, [job()], [instance(state="terminated")])
    (orphan,) = run(*over).values()
    assert (orphan.kind, orphan.proven_s) == ("VM job", 300)


@pytest.mark.parametrize("machines", [[], [machine(claims=2)]])
def test_terminates_an_instance_whose_lease_has_ended(machines: list[MachineRow]) -> None:
    for end, step in ((NOW + 1, None), (NOW - 1, OrphanStep.TERMINATE)):
        orphan = twice(instances=[instance(lease_max=end)], machines=machines)
        assert (orphan.step is OrphanStep.TERMINATE, orphan.expired) == (step is not None or not machines, bool(step))
        assert orphan.ends_despite_jobs(2400) is bool(step)
    assert "its lease ended at 1970-01-12 13:46:39 UTC" in orphan.why


@pytest.mark.parametrize("launched", [NOW - 1000, 0])
def test_restarted_factory_waits_an_hour_for_older_instances(launched: float) -> None:
    """Rule 1: lost history delays."""
    old = [instance(launched=launched)]
    assert twice(instances=old).step is OrphanStep.WAIT
    assert run(snapshot(10, instances=old), snapshot(3700, instances=old))["i-1"].step is OrphanStep.TERMINATE
    newly_asked = run(
        snapshot(10, instances=[instance()]), snapshot(310, instances=[instance()]), before=AuditHistory()
    )
    assert newly_asked["i-1"].step is OrphanStep.WAIT, "the account was not asked before it was launched"


def test_only_reports_orphans_if_configured_so() -> None:
    rules = replace(RULES, reaps=False)
    assert twice(rules, instances=[instance()]).step is OrphanStep.REPORT
    assert twice(rules, instances=[instance()], machines=[machine()]).step is OrphanStep.REPORT
    assert twice(rules, key_pairs=LEFT).step is OrphanStep.REPORT


@pytest.mark.parametrize("exempt", [{"Q": "paused"}, {"*": "a newer factory"}])
def test_waits_with_orphans_of_a_paused_queue(exempt: dict[str, str]) -> None:
    orphan = twice(replace(RULES, exempt=exempt), instances=[instance()])
    assert (orphan.step, orphan.counts) == (OrphanStep.WAIT, True)
    assert next(iter(exempt.values())) in orphan.why


@pytest.mark.parametrize("exempt", [{"cloud": "a queue of this account is paused"}, {"*": "all is paused"}])
def test_keeps_key_pairs_while_a_queue_of_the_account_is_paused(exempt: dict[str, str]) -> None:
    orphan = twice(replace(RULES, exempt=exempt), key_pairs=LEFT)
    assert orphan.step is OrphanStep.WAIT
    assert next(iter(exempt.values())) in orphan.why


def test_terminates_a_fifth_of_a_queue_per_audit() -> None:
    """Rule 8."""
    many = [instance(f"i-{i}", f"vm{i}") for i in range(10)]
    steps = [orphan.step for orphan in run(snapshot(10, instances=many), snapshot(310, instances=many)).values()]
    assert steps.count(OrphanStep.TERMINATE) == 2
    assert steps.count(OrphanStep.WAIT) == 8


def in_turns(audits: int, **seen: object) -> list[set[tuple[OrphanStep, str]]]:
    """Return the steps of each audit; none of the steps ends its orphan."""
    history, done = find_orphans(snapshot(0), AuditHistory(), RULES)[1], []
    for number in range(audits):
        tick = 310.0 * number + 10
        orphans, history = find_orphans(snapshot(tick, **seen), history, RULES)  # type: ignore[arg-type]
        steps = [orphan for orphan in orphans if orphan.step not in {OrphanStep.WAIT, OrphanStep.REPORT}]
        history = mark_tried(history, (orphan.key for orphan in steps), tick)
        done.append({(orphan.step, orphan.name) for orphan in steps})
    return done


def test_unresponsive_startd_takes_no_turn_from_an_empty_machine() -> None:
    four = [instance(f"i-{i}", f"vm{i}") for i in range(4)]
    owned = [replace(job(f"vm{i}"), instance=f"i-{i}") for i in (2, 3)]
    busy = machine("vm0", instance="i-0", claims=1)
    done = in_turns(3, jobs=owned, instances=four, machines=[busy])
    assert done == [set(), *([{(OrphanStep.DRAIN, "i-0"), (OrphanStep.TERMINATE, "i-1")}] * 2)]


def test_orphans_that_cannot_be_ended_take_turns() -> None:
    """One that had a turn comes behind all that wait, even those seen later."""
    three = [instance(f"i-{i}", f"vm{i}") for i in range(3)]
    first, *turns = in_turns(7, instances=three)
    assert not first
    assert [name for turn in turns for _, name in turn] == ["i-0", "i-1", "i-2"] * 2


def test_orphan_that_cannot_be_ended_keeps_its_turns_among_new_ones() -> None:
    history, existing, stuck = find_orphans(snapshot(0), AuditHistory(), RULES)[1], [instance("i-0", "vm0")], 0
    for number in range(1, 13):
        tick = 310.0 * number
        existing.append(instance(f"i-{number}", f"vm{number}"))
        orphans, history = find_orphans(snapshot(tick, instances=existing), history, RULES)
        ended = [orphan for orphan in orphans if orphan.step is OrphanStep.TERMINATE]
        history = mark_tried(history, (orphan.key for orphan in ended), tick)
        stuck += sum(orphan.name == "i-0" for orphan in ended)
        existing = [each for each in existing if each.id == "i-0" or each.id not in {orphan.name for orphan in ended}]
    assert stuck >= 3
    assert len(existing) < 8, "the others do not wait for it"


def test_removes_vm_job_whose_instance_is_gone() -> None:
    shown = snapshot(10, jobs=[job()], instances=[instance()])
    gone = [snapshot(tick, jobs=[job()]) for tick in (310, 620)]
    orphan = run(shown, *gone)["1.0"]
    assert (orphan.step, orphan.absent) == (OrphanStep.REMOVE, True)
    assert run(shown, gone[0])["1.0"].step is OrphanStep.WAIT
    ended = [instance(state="terminated")]
    assert twice(jobs=[job()], instances=ended).step is OrphanStep.REMOVE


def test_keeps_vm_job_whose_instance_the_cloud_never_showed() -> None:
    assert twice(jobs=[job()]).step is OrphanStep.REPORT
    shown = snapshot(10, jobs=[job()], instances=[instance()])
    in_pool = [snapshot(tick, jobs=[job()], machines=[machine()]) for tick in (310, 620)]
    assert run(shown, *in_pool)["1.0"].step is OrphanStep.WAIT


def test_keeps_vm_job_while_its_master_is_in_the_pool() -> None:
    """Rule 5: a machine may be alive that the cloud does not list."""
    shown = snapshot(10, jobs=[job()], instances=[instance()])
    alone = [snapshot(tick, jobs=[job()], masters=[master()]) for tick in (310, 620)]
    orphan = run(shown, *alone)["1.0"]
    assert orphan.step is OrphanStep.WAIT
    assert "it is still in the pool" in orphan.why
    old = [snapshot(tick, jobs=[job()], masters=[master(heard=NOW - 100)]) for tick in (310, 620)]
    assert run(shown, *old)["1.0"].step is OrphanStep.REMOVE


def test_waits_for_a_vm_whose_master_alone_was_in_the_pool() -> None:
    """Rule 5: its startd may have run a job between two audits."""
    joined = snapshot(10, instances=[instance()], masters=[master()])
    assert run(joined, *(snapshot(tick, instances=[instance()]) for tick in (310, 620)))["i-1"].step is OrphanStep.WAIT


def test_keeps_vm_jobs_of_an_account_that_is_no_longer_asked() -> None:
    """A queue got other credentials: HTCondor serves its old VM jobs with the old ones."""
    shown = snapshot(10, jobs=[job()], instances=[instance()])
    elsewhere = [snapshot(tick, jobs=[job()], account="another") for tick in (310, 620)]
    orphan = run(shown, *elsewhere)["1.0"]
    assert orphan.step is OrphanStep.REPORT
    assert "is no longer configured" in orphan.why
    again = run(shown, *elsewhere, *(snapshot(tick, jobs=[job()]) for tick in (930, 1240)))["1.0"]
    assert again.step is OrphanStep.REMOVE, "it is asked again and no longer shows it"


def test_account_that_comes_back_counts_as_new() -> None:
    """A job may have started on its machines meanwhile."""
    shown = snapshot(10, instances=[instance()], machines=[machine()])
    away = snapshot(310, account="another")
    back = [snapshot(tick, instances=[instance()]) for tick in (620, 930)]
    assert run(shown, away, *back)["i-1"].step is OrphanStep.WAIT


@pytest.mark.parametrize("row", [job(status=3), job(status=4), job(status=5, hold=Hold(42, 16, "x", 3))])
def test_vm_job_that_ends_or_is_held_is_no_orphan(row: VMJobRow) -> None:
    assert run(snapshot(10, jobs=[row]), snapshot(310, jobs=[row])) == {}


def test_instance_of_a_removed_job_still_in_the_queue_is_no_orphan() -> None:
    assert run(snapshot(10, jobs=[job(status=3)], instances=[instance()])) == {}


def test_reports_startd_without_vm_job_and_instance() -> None:
    assert twice(machines=[machine(claims=1)]).step is OrphanStep.REPORT
    assert run(snapshot(10, machines=[machine()], complete=False)) == {}, "the silent account may have its instance"


def test_keeps_history_when_cloud_is_unreachable() -> None:
    shown = snapshot(10, instances=[instance()])
    silent = snapshot(200, complete=False)
    assert run(shown, silent, snapshot(310, instances=[instance()]))["i-1"].step is OrphanStep.TERMINATE
    in_pool = snapshot(10, instances=[instance()], machines=[machine()])
    assert run(in_pool, silent, snapshot(310, instances=[instance()]))["i-1"].step is OrphanStep.WAIT, (
        "a job may be on it"
    )
    old = snapshot(10, instances=[instance(launched=NOW - 1000)])
    known = run(old, silent, snapshot(3611, instances=[instance(launched=NOW - 1000)]))
    assert known["i-1"].step is OrphanStep.TERMINATE, "its hour counts on"


SECOND = instance("i-2")
"""Second instance beside i-1, which the VM job records and whose startd is idle in the pool."""


def pair(tick: float, second: InstanceRow = SECOND, **seen: Any) -> AuditSnapshot:
    usual: dict[str, Any] = {"jobs": [job()], "instances": [instance(), second], "machines": [machine()]}
    return snapshot(tick, **(usual | seen))


@pytest.mark.parametrize(
    ("seen", "step", "why"),
    [
        ({}, OrphanStep.TERMINATE, "all ads with its APFVM come from i-1"),
        ({"machines": [machine(claims=1)]}, OrphanStep.WAIT, "a startd with the same APFVM has 1 claim"),
        ({"machines": []}, OrphanStep.REPORT, "nothing proves it empty"),
        ({"machines": [machine(heard=NOW - 100)]}, OrphanStep.REPORT, "nothing proves it empty"),
        ({"shown": {"i-1", "i-2"}}, OrphanStep.REPORT, "nothing proves it empty"),
        ({"machines": [machine(instance="i-2")]}, OrphanStep.REPORT, "nothing proves it empty"),
        ({"shown": {"i-1", ""}}, OrphanStep.REPORT, "nothing proves it empty"),
        ({"shown": {"5e0a"}}, OrphanStep.REPORT, "nothing proves it empty"),
        ({"second": instance("i-2", launched=NOW - 1000)}, OrphanStep.WAIT, "it may have been in the pool"),
        (
            {"second": instance("i-2", state="stopped"), "machines": [machine(claims=1)]},
            OrphanStep.TERMINATE,
            "is stopped",
        ),
    ],
)
def test_terminates_second_instance_only_if_proven_empty(seen: dict[str, Any], step: OrphanStep, why: str) -> None:
    """Rules 5 and 6: jobs may run on the first, which has the same name."""
    (orphan,) = run(pair(10, **seen), pair(310, **seen)).values()
    assert (orphan.name, orphan.step, orphan.counts) == ("i-2", step, True)
    assert why in orphan.why


def test_waits_an_hour_for_a_second_instance_that_was_in_the_pool() -> None:
    """Ads with one name may replace each other."""
    flips = [pair(10), pair(310, shown={"i-2"}), pair(620), pair(930)]
    assert run(*flips[:2])["i-2"].step is OrphanStep.REPORT
    orphan = run(*flips)["i-2"]
    assert orphan.step is OrphanStep.WAIT
    assert "it may have been in the pool" in orphan.why
    assert run(*flips, pair(310 + 3601))["i-2"].step is OrphanStep.TERMINATE


def test_second_instance_must_be_silent_in_consecutive_audits() -> None:
    gap = [pair(10), pair(310, machines=[]), pair(620)]
    assert run(*gap)["i-2"].step is OrphanStep.WAIT
    assert run(*gap, pair(930))["i-2"].step is OrphanStep.TERMINATE


def test_second_instance_becomes_an_instance_after_the_vm_job_left() -> None:
    alone = [snapshot(tick, instances=[SECOND]) for tick in (620, 930, 620 + 3600)]
    before = [pair(tick) for tick in (10, 310)]
    assert "has no VM job" in run(*before, alone[0])["i-2"].why
    assert run(*before, *alone[:2])["i-2"].step is OrphanStep.WAIT, "a VM with its APFVM was in the pool"
    assert run(*before, *alone)["i-2"].step is OrphanStep.TERMINATE
    stopped = instance("i-2", state="stopped")
    left = [pair(10, stopped), pair(310, stopped), *(snapshot(tick, instances=[stopped]) for tick in (620, 930))]
    assert [run(*left[:n])["i-2"].step for n in (2, 3, 4)] == [
        OrphanStep.TERMINATE,
        OrphanStep.WAIT,
        OrphanStep.TERMINATE,
    ]


def test_only_reports_second_instance_of_another_schedd() -> None:
    foreign = instance("i-2", schedd="other@pool")
    orphan = run(pair(10, foreign), pair(310, foreign))["i-2"]
    assert (orphan.step, orphan.counts) == (OrphanStep.REPORT, False)


def test_vm_job_without_instance_has_no_second_one() -> None:
    assert run(pair(10, jobs=[replace(job(), instance=None)])) == {}


@pytest.mark.parametrize(
    ("shown", "first"),
    [
        ({"i-1"}, OrphanStep.TERMINATE),
        ({"i-1", "i-2"}, OrphanStep.WAIT),
        ({""}, OrphanStep.WAIT),
        ({"5e0a"}, OrphanStep.WAIT),
    ],
)
def test_master_proves_only_its_own_instance_empty(shown: set[str], first: OrphanStep) -> None:
    """Rule 5."""
    gone: dict[str, Any] = {"jobs": [], "machines": [], "masters": [master(startd_runs=False)], "shown": shown}
    orphans = run(pair(10, **gone), pair(310, **gone))
    assert {name: orphan.step for name, orphan in orphans.items()} == {"i-1": first, "i-2": OrphanStep.WAIT}


@pytest.mark.parametrize(
    ("whose", "step"), [(KeyPairOwner.LEFT, OrphanStep.DELETE), (KeyPairOwner.UNKNOWN, OrphanStep.REPORT)]
)
def test_deletes_key_pair_only_if_its_job_was_ours(whose: KeyPairOwner, step: OrphanStep) -> None:
    assert twice(key_pairs={"SSH_": whose}).step is step


@pytest.mark.parametrize("whose", [KeyPairOwner.NEEDED, KeyPairOwner.FOREIGN])
def test_ignores_key_pairs_that_are_needed_or_foreign(whose: KeyPairOwner) -> None:
    """Rule 10."""
    assert run(*(snapshot(tick, key_pairs={"SSH_": whose}) for tick in (10, 310))) == {}
