"""What is an orphan, and what may be done about it when."""

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


def scene(
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
    """``account``: the only one that was asked.

    ``shown``: the instances that the ads of vm1 come from; None: as its startd says.
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


def run(*scenes: AuditSnapshot, rules: OrphanRules = RULES, before: AuditHistory | None = None) -> dict[str, Orphan]:
    """The orphans of the last scene, after all of them, by name. A first audit has seen nothing."""
    sightings = before or find_orphans(scene(0), AuditHistory(), rules)[1]
    found: tuple[Orphan, ...] = ()
    for each in scenes:
        found, sightings = find_orphans(each, sightings, rules)
    return {orphan.name: orphan for orphan in found}


def twice(rules: OrphanRules = RULES, **seen: object) -> Orphan:
    (found,) = run(scene(10, **seen), scene(310, **seen), rules=rules).values()  # type: ignore[arg-type]
    return found


def test_an_instance_that_never_joined_is_terminated_when_it_was_seen_twice_long_enough_apart() -> None:
    once, soon, later = (scene(tick, instances=[instance()]) for tick in (10, 300, 310))
    assert run(once)["i-1"].step is OrphanStep.WAIT
    assert run(once, soon)["i-1"].step is OrphanStep.WAIT
    found = run(once, soon, later)["i-1"]
    assert (found.step, found.absent, found.counts) == (OrphanStep.TERMINATE, True, True)


def test_an_instance_whose_job_is_seen_in_between_begins_anew() -> None:
    alone, owned = ([instance()], [job()])
    scenes = [scene(10, instances=alone), scene(200, jobs=owned, instances=alone), scene(310, instances=alone)]
    assert run(*scenes)["i-1"].step is OrphanStep.WAIT


@pytest.mark.parametrize(
    ("row", "step", "why"),
    [
        (instance(), OrphanStep.TERMINATE, "never joined"),
        (instance(state="stopped"), OrphanStep.TERMINATE, "the cloud says that it is stopped"),
        (instance(state="error"), OrphanStep.TERMINATE, "the cloud says that it is error"),
        (instance(schedd="other@pool"), OrphanStep.REPORT, "in schedd other@pool"),
        (instance(schedd=""), OrphanStep.REPORT, "no schedd that its tags name"),
        (instance(vm=""), OrphanStep.REPORT, "does not say whose it is"),
    ],
)
def test_only_what_is_surely_ours_is_ended(row: InstanceRow, step: OrphanStep, why: str) -> None:
    found = twice(instances=[row])
    assert found.step is step
    assert why in found.why


@pytest.mark.parametrize(
    ("machines", "masters", "step", "why"),
    [
        ([machine()], [master()], OrphanStep.DRAIN, "0 claims"),
        ([machine(claims=2)], [], OrphanStep.DRAIN, "2 claims"),
        ([machine(claims=2, retiring=1)], [], OrphanStep.DRAIN, "2 claims"),
        ([machine(claims=2, retiring=2)], [], OrphanStep.WAIT, "it retires, 2 claims"),
        ([machine(claims=2, drain_reason="apf f1: x")], [], OrphanStep.WAIT, "it drains"),
        ([machine(claims=2, drain_reason="defrag")], [], OrphanStep.WAIT, "it drains"),
        ([machine(instance="i-2")], [], OrphanStep.REPORT, "runs on i-2"),
        ([machine(heard=NOW - 100)], [master(heard=NOW - 100)], OrphanStep.TERMINATE, "never joined"),
        ([], [master()], OrphanStep.WAIT, "its startd is not"),
        ([], [master(startd_runs=False)], OrphanStep.TERMINATE, "empty"),
        ([], [master(startd_runs=False, started=NOW - 60)], OrphanStep.WAIT, "its startd is not"),
    ],
)
def test_what_is_in_the_pool_leaves_it_peacefully(
    machines: list[MachineRow], masters: list[MasterRow], step: OrphanStep, why: str
) -> None:
    """Rule 5."""
    found = twice(instances=[instance()], machines=machines, masters=masters)
    assert found.step is step
    assert why in found.why


def test_a_machine_that_was_in_the_pool_is_left_alone_until_no_job_can_be_on_it() -> None:
    """Rule 5: absence is not proof."""
    there = scene(10, instances=[instance()], machines=[machine()])
    assert run(there, scene(2000, instances=[instance()]))["i-1"].step is OrphanStep.WAIT
    assert run(there, scene(2000, instances=[instance()]), scene(3611, instances=[instance()]))["i-1"].step is (
        OrphanStep.TERMINATE
    )


def test_a_machine_that_drained_is_empty_as_soon_as_its_master_says_so() -> None:
    gone = [master(startd_runs=False, started=NOW - 60)]
    there = scene(10, instances=[instance()], machines=[machine()])
    assert run(there, scene(310, instances=[instance()], masters=gone))["i-1"].step is OrphanStep.TERMINATE


@pytest.mark.parametrize("launched", [NOW - 1000, 0])
def test_a_factory_that_starts_anew_does_not_know_what_was_in_the_pool(launched: float) -> None:
    """Rule 1: what is not remembered delays."""
    old = [instance(launched=launched)]
    assert twice(instances=old).step is OrphanStep.WAIT
    assert run(scene(10, instances=old), scene(3700, instances=old))["i-1"].step is OrphanStep.TERMINATE
    newly_asked = run(scene(10, instances=[instance()]), scene(310, instances=[instance()]), before=AuditHistory())
    assert newly_asked["i-1"].step is OrphanStep.WAIT, "the account was not asked before it was launched"


def test_orphans_may_be_only_reported() -> None:
    rules = replace(RULES, reaps=False)
    assert twice(rules, instances=[instance()]).step is OrphanStep.REPORT
    assert twice(rules, instances=[instance()], machines=[machine()]).step is OrphanStep.REPORT
    assert twice(rules, key_pairs=LEFT).step is OrphanStep.REPORT


@pytest.mark.parametrize("hands_off", [{"Q": "paused"}, {"*": "a newer factory"}])
def test_nothing_of_a_paused_queue_is_touched(hands_off: dict[str, str]) -> None:
    found = twice(replace(RULES, hands_off=hands_off), instances=[instance()])
    assert (found.step, found.counts) == (OrphanStep.WAIT, True)
    assert next(iter(hands_off.values())) in found.why


@pytest.mark.parametrize("hands_off", [{"cloud": "a queue of this account is paused"}, {"*": "all is paused"}])
def test_no_key_pair_of_a_paused_queue_s_account_is_deleted(hands_off: dict[str, str]) -> None:
    found = twice(replace(RULES, hands_off=hands_off), key_pairs=LEFT)
    assert found.step is OrphanStep.WAIT
    assert next(iter(hands_off.values())) in found.why


def test_a_fifth_of_a_queue_s_machines_may_go_at_once() -> None:
    """Rule 8."""
    many = [instance(f"i-{i}", f"vm{i}") for i in range(10)]
    steps = [orphan.step for orphan in run(scene(10, instances=many), scene(310, instances=many)).values()]
    assert steps.count(OrphanStep.TERMINATE) == 2
    assert steps.count(OrphanStep.WAIT) == 8


def in_turns(audits: int, **seen: object) -> list[set[tuple[OrphanStep, str]]]:
    """What is done in each of so many audits, none of which ends anything."""
    sightings, done = find_orphans(scene(0), AuditHistory(), RULES)[1], []
    for number in range(audits):
        tick = 310.0 * number + 10
        orphans, sightings = find_orphans(scene(tick, **seen), sightings, RULES)  # type: ignore[arg-type]
        steps = [orphan for orphan in orphans if orphan.step not in {OrphanStep.WAIT, OrphanStep.REPORT}]
        sightings = mark_tried(sightings, (orphan.key for orphan in steps), tick)
        done.append({(orphan.step, orphan.name) for orphan in steps})
    return done


def test_a_machine_that_does_not_obey_takes_no_turn_from_one_that_is_empty() -> None:
    four = [instance(f"i-{i}", f"vm{i}") for i in range(4)]
    owned = [replace(job(f"vm{i}"), instance=f"i-{i}") for i in (2, 3)]
    busy = machine("vm0", instance="i-0", claims=1)
    done = in_turns(3, jobs=owned, instances=four, machines=[busy])
    assert done == [set(), *([{(OrphanStep.DRAIN, "i-0"), (OrphanStep.TERMINATE, "i-1")}] * 2)]


def test_those_that_can_t_be_ended_take_turns_with_all_others() -> None:
    """Whoever had a turn comes behind those that wait, also behind those that were seen later."""
    three = [instance(f"i-{i}", f"vm{i}") for i in range(3)]
    first, *turns = in_turns(7, instances=three)
    assert not first
    assert [name for turn in turns for _, name in turn] == ["i-0", "i-1", "i-2"] * 2


def test_one_that_can_t_be_ended_has_its_turns_however_many_others_come() -> None:
    sightings, there, stuck = find_orphans(scene(0), AuditHistory(), RULES)[1], [instance("i-0", "vm0")], 0
    for number in range(1, 13):
        tick = 310.0 * number
        there.append(instance(f"i-{number}", f"vm{number}"))
        orphans, sightings = find_orphans(scene(tick, instances=there), sightings, RULES)
        ended = [orphan for orphan in orphans if orphan.step is OrphanStep.TERMINATE]
        sightings = mark_tried(sightings, (orphan.key for orphan in ended), tick)
        stuck += sum(orphan.name == "i-0" for orphan in ended)
        there = [each for each in there if each.id == "i-0" or each.id not in {orphan.name for orphan in ended}]
    assert stuck >= 3
    assert len(there) < 8, "nor do the others wait for it"


def test_a_vm_job_whose_instance_is_gone_is_removed() -> None:
    seen = scene(10, jobs=[job()], instances=[instance()])
    gone = [scene(tick, jobs=[job()]) for tick in (310, 620)]
    found = run(seen, *gone)["1.0"]
    assert (found.step, found.absent) == (OrphanStep.REMOVE, True)
    assert run(seen, gone[0])["1.0"].step is OrphanStep.WAIT
    ended = [instance(state="terminated")]
    assert twice(jobs=[job()], instances=ended).step is OrphanStep.REMOVE


def test_a_vm_job_is_not_removed_on_the_word_of_a_cloud_that_may_show_nothing_at_all() -> None:
    assert twice(jobs=[job()]).step is OrphanStep.REPORT
    seen = scene(10, jobs=[job()], instances=[instance()])
    in_pool = [scene(tick, jobs=[job()], machines=[machine()]) for tick in (310, 620)]
    assert run(seen, *in_pool)["1.0"].step is OrphanStep.WAIT


def test_keeps_a_vm_job_while_its_master_is_in_the_pool() -> None:
    """Rule 5: the startd may come back, though the cloud shows the instance no more."""
    shown = scene(10, jobs=[job()], instances=[instance()])
    alone = [scene(tick, jobs=[job()], masters=[master()]) for tick in (310, 620)]
    orphan = run(shown, *alone)["1.0"]
    assert orphan.step is OrphanStep.WAIT
    assert "the pool still shows it" in orphan.why
    old = [scene(tick, jobs=[job()], masters=[master(heard=NOW - 100)]) for tick in (310, 620)]
    assert run(shown, *old)["1.0"].step is OrphanStep.REMOVE


def test_waits_for_a_vm_whose_master_alone_was_in_the_pool() -> None:
    """Rule 5: its startd may have run a job between two audits."""
    there = scene(10, instances=[instance()], masters=[master()])
    assert run(there, *(scene(tick, instances=[instance()]) for tick in (310, 620)))["i-1"].step is OrphanStep.WAIT


def test_another_account_says_nothing_of_the_instances_that_were_in_the_one_before() -> None:
    """A queue was given other keys: the VM jobs that it has are served by the old ones, to their end."""
    seen = scene(10, jobs=[job()], instances=[instance()])
    elsewhere = [scene(tick, jobs=[job()], account="another") for tick in (310, 620)]
    found = run(seen, *elsewhere)["1.0"]
    assert found.step is OrphanStep.REPORT
    assert "not asked any more" in found.why
    there = run(seen, *elsewhere, *(scene(tick, jobs=[job()]) for tick in (930, 1240)))["1.0"]
    assert there.step is OrphanStep.REMOVE, "it is asked again, and shows it no more"


def test_an_account_that_was_away_is_as_new_as_one_that_nobody_knew() -> None:
    """Meanwhile a job may have come to its machines."""
    seen = scene(10, instances=[instance()], machines=[machine()])
    away = scene(310, account="another")
    back = [scene(tick, instances=[instance()]) for tick in (620, 930)]
    assert run(seen, away, *back)["i-1"].step is OrphanStep.WAIT


@pytest.mark.parametrize("row", [job(status=3), job(status=4), job(status=5, hold=Hold(42, 16, "x", 3))])
def test_a_vm_job_on_its_way_out_or_held_is_no_orphan(row: VMJobRow) -> None:
    assert run(scene(10, jobs=[row]), scene(310, jobs=[row])) == {}


def test_an_instance_of_a_removed_job_that_is_still_in_the_queue_is_no_orphan() -> None:
    assert run(scene(10, jobs=[job(status=3)], instances=[instance()])) == {}


def test_a_startd_of_nobody_is_reported() -> None:
    assert twice(machines=[machine(claims=1)]).step is OrphanStep.REPORT
    assert run(scene(10, machines=[machine()], complete=False)) == {}, "its instance may be where nobody answered"


def test_of_a_cloud_that_did_not_answer_nothing_is_forgotten() -> None:
    seen = scene(10, instances=[instance()])
    silent = scene(200, complete=False)
    assert run(seen, silent, scene(310, instances=[instance()]))["i-1"].step is OrphanStep.TERMINATE
    in_pool = scene(10, instances=[instance()], machines=[machine()])
    assert run(in_pool, silent, scene(310, instances=[instance()]))["i-1"].step is OrphanStep.WAIT, "a job may be on it"
    old = scene(10, instances=[instance(launched=NOW - 1000)])
    known = run(old, silent, scene(3611, instances=[instance(launched=NOW - 1000)]))
    assert known["i-1"].step is OrphanStep.TERMINATE, "its hour goes on"


SECOND = instance("i-2")
"""With i-1, which the VM job has, and whose startd is idle in the pool."""


def pair(tick: float, second: InstanceRow = SECOND, **seen: Any) -> AuditSnapshot:
    usual: dict[str, Any] = {"jobs": [job()], "instances": [instance(), second], "machines": [machine()]}
    return scene(tick, **(usual | seen))


@pytest.mark.parametrize(
    ("seen", "step", "why"),
    [
        ({}, OrphanStep.TERMINATE, "all ads of its name are of i-1"),
        ({"machines": [machine(claims=1)]}, OrphanStep.WAIT, "while jobs run on a machine of its name"),
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
def test_a_second_instance_counts_and_is_ended_only_if_it_is_proven_that_no_job_is_on_it(
    seen: dict[str, Any], step: OrphanStep, why: str
) -> None:
    """Rules 5 and 6: it has the name of the first, which a job may be on."""
    (found,) = run(pair(10, **seen), pair(310, **seen)).values()
    assert (found.name, found.step, found.counts) == ("i-2", step, True)
    assert why in found.why


def test_a_second_instance_that_was_in_the_pool_is_left_alone_though_only_the_first_is_seen_there() -> None:
    """Ads of one name may replace each other."""
    flips = [pair(10), pair(310, shown={"i-2"}), pair(620), pair(930)]
    assert run(*flips[:2])["i-2"].step is OrphanStep.REPORT
    found = run(*flips)["i-2"]
    assert found.step is OrphanStep.WAIT
    assert "it may have been in the pool" in found.why
    assert run(*flips, pair(310 + 3601))["i-2"].step is OrphanStep.TERMINATE


def test_the_proof_has_to_hold_from_one_audit_to_the_next() -> None:
    gap = [pair(10), pair(310, machines=[]), pair(620)]
    assert run(*gap)["i-2"].step is OrphanStep.WAIT
    assert run(*gap, pair(930))["i-2"].step is OrphanStep.TERMINATE


def test_once_the_vm_job_has_left_its_second_instance_is_an_orphan_like_others_and_seen_anew() -> None:
    alone = [scene(tick, instances=[SECOND]) for tick in (620, 930, 620 + 3600)]
    before = [pair(tick) for tick in (10, 310)]
    assert "has no VM job" in run(*before, alone[0])["i-2"].why
    assert run(*before, *alone[:2])["i-2"].step is OrphanStep.WAIT, "a VM of its name was in the pool"
    assert run(*before, *alone)["i-2"].step is OrphanStep.TERMINATE
    stopped = instance("i-2", state="stopped")
    left = [pair(10, stopped), pair(310, stopped), *(scene(tick, instances=[stopped]) for tick in (620, 930))]
    assert [run(*left[:n])["i-2"].step for n in (2, 3, 4)] == [
        OrphanStep.TERMINATE,
        OrphanStep.WAIT,
        OrphanStep.TERMINATE,
    ]


def test_a_second_instance_of_another_schedd_is_not_ours() -> None:
    foreign = instance("i-2", schedd="other@pool")
    found = run(pair(10, foreign), pair(310, foreign))["i-2"]
    assert (found.step, found.counts) == (OrphanStep.REPORT, False)


def test_while_a_vm_job_knows_of_no_instance_none_is_a_second_one() -> None:
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
def test_of_two_instances_of_a_vm_job_that_left_a_master_speaks_for_its_own_only(
    shown: set[str], first: OrphanStep
) -> None:
    """Rule 5."""
    gone: dict[str, Any] = {"jobs": [], "machines": [], "masters": [master(startd_runs=False)], "shown": shown}
    found = run(pair(10, **gone), pair(310, **gone))
    assert {name: orphan.step for name, orphan in found.items()} == {"i-1": first, "i-2": OrphanStep.WAIT}


@pytest.mark.parametrize(
    ("whose", "step"), [(KeyPairOwner.LEFT, OrphanStep.DELETE), (KeyPairOwner.UNKNOWN, OrphanStep.REPORT)]
)
def test_a_key_pair_is_deleted_only_if_its_job_was_ours(whose: KeyPairOwner, step: OrphanStep) -> None:
    assert twice(key_pairs={"SSH_": whose}).step is step


@pytest.mark.parametrize("whose", [KeyPairOwner.NEEDED, KeyPairOwner.FOREIGN])
def test_a_key_pair_that_a_job_needs_or_that_is_another_factory_s_is_nothing_to_us(whose: KeyPairOwner) -> None:
    """Rule 10."""
    assert run(*(scene(tick, key_pairs={"SSH_": whose}) for tick in (10, 310))) == {}
