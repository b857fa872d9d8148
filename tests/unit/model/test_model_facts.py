"""Facts on a model follow from machines that were never claimed; others show only what no job changes."""

import pytest

from factory.model.model_facts import ModelFacts, ShownAttributes, learn, with_proofs

ASKED = frozenset(("hasx", "hasmount", "arch", "memory", "totalslotmemory"))
FIRST = {"arch": '"X86_64"', "hasmount": "true", "memory": "7000", "totalslotmemory": "7000"}
NEW = {"vm1", "vm2"}


def shown(attributes: dict[str, str], vm: str = "vm1", updates: int = 1) -> ShownAttributes:
    return ShownAttributes("Q shape build", attributes, ASKED, {vm: updates})


def after(*polls: ShownAttributes) -> ModelFacts:
    facts = ModelFacts()
    for poll in polls:
        facts = learn(facts, poll, NEW)
    return facts


def test_one_new_machine_is_enough() -> None:
    assert after(shown(FIRST)) == ModelFacts(FIRST)


def test_missing_attribute_is_absent_after_two_updates() -> None:
    assert after(shown(FIRST, updates=1)).absent == frozenset()
    assert after(shown(FIRST, updates=2)).absent == {"hasx"}


def test_machines_that_differ_leave_an_attribute_unknown() -> None:
    ill = {**FIRST, "hasmount": "false"}
    for facts in (after(shown(FIRST), shown(ill, "vm2")), after(shown(ill), shown(FIRST, "vm2"), shown(ill, "vm2"))):
        assert facts.differing == {"hasmount"}
        assert facts.shown == {name: text for name, text in FIRST.items() if name != "hasmount"}


def test_attribute_that_only_some_machines_lack_is_unknown() -> None:
    without = {name: text for name, text in FIRST.items() if name != "hasmount"}
    for facts in (
        after(shown(FIRST), shown(without, "vm2", 2)),
        after(shown(without, updates=2), shown(FIRST, "vm2")),
    ):
        assert facts.differing == {"hasmount"}
        assert "hasmount" not in facts.absent | facts.shown.keys()


def test_of_differing_sizes_the_smallest_counts() -> None:
    less = {**FIRST, "memory": "6900", "totalslotmemory": "6900"}
    for facts in (after(shown(FIRST), shown(less, "vm2")), after(shown(less), shown(FIRST, "vm2"))):
        assert facts == ModelFacts(less)


@pytest.mark.parametrize("updates", [1, 9])
def test_machine_that_was_claimed_shows_only_what_no_job_changes(updates: int) -> None:
    tape = {**FIRST, "tape": "2", "totalslottape": "2"}
    facts = after(shown(tape, "worked", updates))
    assert facts == ModelFacts({name: text for name, text in tape.items() if name != "hasmount"})
    ill = {**FIRST, "hasmount": "false", "arch": '"ARM"'}
    assert learn(after(shown(FIRST)), shown(ill, "worked", updates), NEW) == ModelFacts(FIRST), "it teaches nothing new"


def test_nothing_new_leaves_the_same_object() -> None:
    facts = after(shown(FIRST, updates=2))
    assert learn(facts, shown(FIRST, "vm2", 3), NEW) is facts


def test_custom_resources_have_amounts() -> None:
    facts = ModelFacts({"totalslottape": "2", "totalslotodd": "Cpus * 2"})
    assert facts.amounts({"tape", "odd", "licence"}) == (("tape", 2.0),)


def test_remembers_the_last_proofs() -> None:
    facts = with_proofs(ModelFacts(proven=tuple(f"old{i}" for i in range(200))), ["b", "a", "old7"])
    assert len(facts.proven) == 200
    assert facts.proven[-2:] == ("a", "b")
    assert with_proofs(facts, ["a"]) is facts
