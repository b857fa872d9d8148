"""Tests of ``%(key)s`` references and of their errors."""

from __future__ import annotations

import configparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.files.interpolate import MAX_LENGTH, Resolver, UnresolvedReference, referenced_keys
from factory.config.files.scan import Entry


def resolver(**values: str) -> Resolver:
    return Resolver({key: Entry(value, "f", 1, "Q") for key, value in values.items()})


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ({"a": "x"}, "x"),
        ({"a": "%(b)s", "b": "x"}, "x"),
        ({"a": "<%(b)s %(b)s>", "b": "%(c)s%%", "c": "x"}, "<x% x%>"),
        ({"a": "100%%"}, "100%"),
        ({"a": "%%(b)s"}, "%(b)s"),
        ({"a": "%(b.c-d)s", "b.c-d": "x"}, "x"),
    ],
)
def test_replaces_references(values: dict[str, str], value: str) -> None:
    assert resolver(**values).value("a") == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": "%(b)s"}, "refers to %(b)s, but the section has no key 'b'; add it or remove the reference"),
        ({"a": "%(a)s"}, "refers to itself: a -> a; remove one of these references"),
        ({"a": "%(b)s", "b": "%(c)s", "c": "%(b)s"}, "refers to itself: b -> c -> b; remove one of these references"),
        ({"a": "50%"}, "has a single % at '%'; write %% for a percent sign, or %(key)s"),
        ({"a": "%d"}, "has a single % at '%d'; write %% for a percent sign, or %(key)s"),
        (
            {"a": "%(b)d", "b": "1"},
            "has a single % at '%(b)d'; write %% for a percent sign, or %(key)s",
        ),
        ({"a": "%(b", "b": "1"}, "has a single % at '%(b'; write %% for a percent sign, or %(key)s"),
        (
            {"a": "%(b)s", "b": "5%"},
            "has a single % at '%' (in b, to which it refers); write %% for a percent sign, or %(key)s",
        ),
        (
            {"a": "%(b)s", "b": "%(c)s"},
            "refers to %(c)s (in b, to which it refers), but the section has no key 'c'; "
            "add it or remove the reference",
        ),
        (
            {"a": "%(b0)s"} | {f"b{i}": f"%(b{i + 1})s" for i in range(20)},
            "refers through more than 10 keys; shorten a -> b0 -> b1 -> b2 -> b3 -> b4 -> b5 -> b6 -> b7 -> b8 -> b9",
        ),
        (
            {"a": "x" * 1000} | {f"a{i}": f"%(a{i - 1 if i else ''})s" * 10 for i in range(6)} | {"a": "x" * 1000},
            f"makes the section longer than {MAX_LENGTH} characters; use fewer references",
        ),
    ],
)
def test_explains_a_reference_that_can_not_be_replaced(values: dict[str, str], message: str) -> None:
    with pytest.raises(UnresolvedReference) as caught:
        resolver(**values).value("a5" if "a5" in values else "a")
    assert str(caught.value) == message


def test_finds_the_keys_a_value_refers_to() -> None:
    assert referenced_keys("%(a)s%% %(b.c)s %%(d)s %(e)d") == {"a", "b.c"}


@given(st.dictionaries(st.sampled_from("abc"), st.text(st.sampled_from("%()sabc x"), max_size=12), min_size=1))
def test_agrees_with_configparser(values: dict[str, str]) -> None:
    parser = configparser.ConfigParser()
    try:
        parser.read_dict({"Q": values})
    except ValueError:
        return
    for key in values:
        try:
            expected = parser.get("Q", key)
        except configparser.InterpolationError:
            with pytest.raises(UnresolvedReference):
                resolver(**values).value(key)
        else:
            assert resolver(**values).value(key) == expected
