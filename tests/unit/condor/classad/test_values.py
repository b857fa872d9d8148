"""Values of ads as numbers and texts."""

from enum import IntEnum

import pytest

from factory.condor.classad.values import number, parse_number, text


class Value(IntEnum):
    """Stand-in for ``classad2.Value``, which the bindings return for error and undefined."""

    ERROR = 1
    UNDEFINED = 2


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (0, 0.0),
        (7, 7.0),
        (-1.5, -1.5),
        (True, None),
        (False, None),
        (Value.UNDEFINED, None),
        (Value.ERROR, None),
        ("7", None),
        (None, None),
        (object(), None),
    ],
)
def test_only_integers_and_reals_are_numbers(found: object, expected: float | None) -> None:
    assert number(found) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("7", 7.0), (" 2.5 ", 2.5), ("1e3", 1000.0), ("", None), ("undefined", None), ("$(X)", None), (None, None)],
)
def test_printed_numbers_are_parsed_and_other_texts_are_none(printed: str | None, expected: float | None) -> None:
    assert parse_number(printed) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("i-1", "i-1"),
        ("no match found ", "no match found"),
        ("", None),
        (" ", None),
        (5, None),
        (Value.UNDEFINED, None),
    ],
)
def test_text_is_stripped_and_none_if_empty_or_no_string(found: object, expected: str | None) -> None:
    assert text(found) == expected
