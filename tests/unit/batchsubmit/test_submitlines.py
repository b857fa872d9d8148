"""Submit lines from condor_attributes, in both forms."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.problems import ConfigError
from plugins.batchsubmit.submitlines import SubmitLines, split_attributes
from tests.rig.queues import PILOTS, make_queue


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a=1, b = 2", ["a=1", " b = 2"]),
        (r'x="p\,q",y=3', ['x="p,q"', "y=3"]),
        (r"x=p\\,y=3", ["x=p\\", "y=3"]),
        (r"x=p\\\,q,y=3", [r"x=p\,q", "y=3"]),
        ("a=1,", ["a=1", ""]),
        (r"x=\d+\\", ["x=\\d+\\"]),
        ("x=1\\", ["x=1\\"]),
        ("", [""]),
    ],
)
def test_splits_the_list_as_autopyfactory_did(text: str, items: list[str]) -> None:
    assert split_attributes(text) == items


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0")), min_size=1))
def test_escaped_items_are_split_unchanged(items: list[str]) -> None:
    joined = ",".join(item.replace("\\", "\\\\").replace(",", "\\,") for item in items)
    assert split_attributes(joined) == items


def test_both_forms_become_submit_lines_in_file_order() -> None:
    settings = SubmitLines(
        condor_attributes=r'request_memory = 2000,+AccountingGroup = "group_x",requirements = x == "a\,b"\, y,',
        condor_attribute={"periodic_remove": "JobStatus == 5", "+Want": "true", "MY.Keep": "1"},
    )
    assert settings.lines() == [
        "request_memory = 2000",
        '+AccountingGroup = "group_x"',
        'requirements = x == "a,b", y',
        "periodic_remove = JobStatus == 5",
        "+Want = true",
        "MY.Keep = 1",
    ]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("condor_attributes", "request_memory", "'request_memory' is not 'name = value'"),
        ("condor_attributes", 'x = "a,b"', r"a comma within a value is written \,"),
        ("condor_attributes", "queue 5 = 1", "'queue 5' is not the name of a submit command"),
        ("condor_attributes", "a b = 1", "'a b' is not the name of a submit command"),
        ("condor_attributes.a b", "1", "'a b' is not the name of a submit command"),
        ("condor_attributes.queue", "1", "'queue' is not the name of a submit command"),
    ],
)
def test_invalid_submit_line_is_an_error_of_its_key(tmp_path: Path, key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_queue(tmp_path, {**PILOTS, f"batchsubmit.condorlocal.{key}": value})
    assert said in str(caught.value)
    assert "batchsubmit.condorlocal.condor_attributes" in str(caught.value)
    assert len(caught.value.problems) == 1
