"""An ad that could do harm is not evaluated, and one that can't be read stops no other."""

import random
from typing import Any

import pytest

from factory.condor.classad.guard import MOST_PROBLEMS, fold_each, why_refused

classad2 = pytest.importorskip("classad2")


def ad(attributes: dict[str, str]) -> Any:
    made = classad2.ClassAd()
    for name, text in attributes.items():
        made[name] = classad2.ExprTree(text)
    return made


DOUBLING = {f"A{i}": f"A{i - 1} + A{i - 1}" for i in range(1, 31)} | {"A0": "TARGET.Cpus"}
LONG = "strcat(" + ", ".join(['"' + "x" * 1000 + '"'] * 15) + ")"


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"Foo": "Foo"}, "foo refers to itself"),
        ({"RequestMemory": "max({RequestMemory, 2000})"}, "requestmemory refers to itself"),
        ({"A": "B + 1", "B": "C + 1", "C": "MY.A"}, "refers to itself"),
        ({"X": "(" * 150 + "Y" + ")" * 150}, "nested deeper than 100 levels"),
        ({"X": "!" * 150 + "Y"}, "nested deeper than 100 levels"),
        ({"X": " + ".join(["Y"] * 9000)}, "characters"),
        ({"X": '"' + "x" * 20_000 + '"'}, "characters"),
        (DOUBLING, "attributes with"),
        ({"A0": LONG} | {f"A{i}": f"strcat({', '.join([f'A{i - 1}'] * 9)})" for i in range(1, 6)}, "characters"),
        ({f"A{i}": f"A{i + 1}" for i in range(400)} | {"A400": "Cpus"}, "through more than 200 attributes"),
    ],
)  # fmt: skip
def test_refuses_what_could_do_harm(attributes: dict[str, str], why: str) -> None:
    assert why in str(why_refused(ad(attributes)))


@pytest.mark.parametrize(
    "attributes",
    [
        {"Requirements": '(TARGET.Arch == "X86_64") && (TARGET.Memory >= RequestMemory)', "RequestMemory": "2000"},
        {"RequestMemory": "ifThenElse(MemoryUsage isnt undefined, 2 * MemoryUsage, 300)", "MemoryUsage": "12"},
        {"RequestCpus": "TARGET.RequestCpus"},
        {"A": "B + B", "B": "C + C", "C": "D + D", "D": "TARGET.X"},
        {"Note": '"Foo refers to Note"', "List": "{1, 2, List2}", "Record": "[a = 1; b = a]"},
        {"X": "(" * 90 + "Y" + ")" * 90},
        {"Requirements": "undefined", "Rank": "0.0", "Big": "1e308", "Small": "-1"},
        {},
    ],
)
def test_lets_usual_ads_pass(attributes: dict[str, str]) -> None:
    assert why_refused(ad(attributes)) is None


def test_is_fast_for_whatever_it_refuses() -> None:
    """Work is counted: the check never evaluates, and looks at each attribute once."""
    names = [f"A{i}" for i in range(150)]
    rng = random.Random(1)
    attributes = {name: " + ".join(rng.choices(names[i + 1 :] or ["1"], k=50)) for i, name in enumerate(names)}
    assert "attributes with" in str(why_refused(ad(attributes)))


def test_ad_that_can_not_be_read_is_named_and_stops_no_other() -> None:
    def fold(number: int) -> float:
        return 1 / number

    problems: list[str] = []
    assert list(fold_each([1, 0, 2], fold, lambda number: f"job {number}.0", problems)) == [1, 0.5]
    assert problems == ["job 0.0 can't be read and is left out: division by zero"]


def test_names_some_of_many_and_ads_without_a_readable_name() -> None:
    def fail(_ad: object) -> str:
        raise ValueError("odd")

    problems: list[str] = []
    assert not list(fold_each(range(1000), fail, fail, problems))
    assert len(problems) == MOST_PROBLEMS
    assert problems[0] == "an ad without a readable name can't be read and is left out: odd"
