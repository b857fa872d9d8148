"""Fuzz the configuration: any input gives a valid configuration or a list of errors, never a traceback.

``make fuzz`` runs 20,000 examples of each test (``FUZZ_EXAMPLES``), other runs 300.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from factory.config import load
from factory.config.problems import ConfigError
from factory.config.queues import Config
from tests.rig.configs import own_or_standins

EXAMPLES = int(os.environ.get("APF_FUZZ_EXAMPLES", "300"))

SAMPLES = [
    path.read_bytes().replace(b"queueConf = file://SAMPLES", b"#").replace(b"queueDirConf = q", b"#")
    for path in sorted((Path(__file__).parents[1] / "unit/config/samples").rglob("*.conf"))
]
REGISTRY = own_or_standins()
LINES = sorted({line for sample in SAMPLES for line in sample.split(b"\n")})
WORDS = sorted({word for line in LINES for word in line.replace(b".", b" ").replace(b",", b" ").split()})
ODD = [
    *(b"[", b"]", b"=", b":", b"%", b"%(", b"%(x)s", b"%(wmsqueue)s", b"%(enabled)s", b"%%", b";", b" ;", b"#"),
    *(b"\n", b"\n ", b"\r", b"\r\n", b"\0", b"\t", b"\x1b", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3\xa9"),
    *(b"\xe2\x80\xa8", b"~", b"None", b"none", b"True", b"-1", b"0", b"1e999", b"nan", b"1_0", b"9" * 400, b"15m"),
    *(b"[DEFAULT]\n", b"[Factory]\n", b"[default]\n", b"[Q]\n", b"[]\n", b"/", b"..", b",", b",,", b"\\", b'"'),
    *(b"'", b"$(x)", b"x-", b".", b"a" * 70000),
]

mutation = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 1 << 20), st.sampled_from(ODD)),
    st.tuples(st.just("insert"), st.integers(0, 1 << 20), st.binary(max_size=6)),
    st.tuples(st.just("insert"), st.integers(0, 1 << 20), st.sampled_from(WORDS)),
    st.tuples(st.just("delete"), st.integers(0, 1 << 20), st.integers(1, 40)),
    st.tuples(st.just("repeat"), st.integers(0, 1 << 20), st.integers(1, 400)),
    st.tuples(st.just("line"), st.integers(0, 1 << 20), st.sampled_from(LINES)),
    st.tuples(st.just("drop line"), st.integers(0, 1 << 20), st.just(0)),
    st.tuples(st.just("swap word"), st.integers(0, 1 << 20), st.sampled_from(WORDS)),
)


def mutate(data: bytes, how: tuple[str, int, bytes | int]) -> bytes:
    kind, place, what = how
    at = place % (len(data) + 1)
    if isinstance(what, bytes):
        if kind == "insert":
            return data[:at] + what + data[at:]
        lines = data.split(b"\n")
        at = place % len(lines)
        if kind == "line":
            return b"\n".join([*lines[:at], what, *lines[at:]])
        key, equals, _ = lines[at].partition(b"=")
        return b"\n".join([*lines[:at], key + equals + b" " + what, *lines[at + 1 :]])
    if kind == "delete":
        return data[:at] + data[at + what :]
    if kind == "repeat":
        return data[: at + what] + data[at:]
    lines = data.split(b"\n")
    at = place % len(lines)
    return b"\n".join(lines[:at] + lines[at + 1 :])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fuzz")
    (directory / "monitor.conf").write_bytes(
        (Path(__file__).parents[1] / "unit/config/samples/old-2.4.9/monitor.conf").read_bytes()
    )
    return directory


def load_or_error(paths: list[Path]) -> Config | ConfigError:
    try:
        return load(paths, REGISTRY)
    except ConfigError as error:
        return error


def check(paths: list[Path]) -> None:
    result = load_or_error(paths)
    if isinstance(result, ConfigError):
        event("errors")
        assert any(problem.severity == "error" for problem in result.problems)
        assert all(problem.text and problem.file for problem in result.problems)
        assert str(result)
        return
    event("valid")
    assert all(problem.severity == "warning" for problem in result.warnings)
    assert not {queue.name for queue in result.queues} & set(result.disabled)
    again = load_or_error(paths)
    assert isinstance(again, Config)
    assert [queue.text for queue in again.queues] == [queue.text for queue in result.queues]


@pytest.mark.parametrize("data", SAMPLES, ids=lambda data: data[:40])
def test_samples_are_valid_before_mutation(directory: Path, data: bytes) -> None:
    path = directory / "sample.conf"
    path.write_bytes(data)
    assert isinstance(load_or_error([path]), Config)


@given(st.sampled_from(SAMPLES), st.lists(mutation, max_size=8))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_files_are_valid_or_have_errors(
    directory: Path, data: bytes, how: list[tuple[str, int, bytes | int]]
) -> None:
    for each in how:
        data = mutate(data, each)
    path = directory / "queues.conf"
    path.write_bytes(data)
    check([path])


@given(st.lists(st.lists(st.sampled_from(LINES + ODD), max_size=12).map(b"\n".join), min_size=1, max_size=3))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_files_of_random_lines_are_valid_or_have_errors(directory: Path, files: list[bytes]) -> None:
    paths = []
    for number, data in enumerate(files):
        paths.append(directory / f"mixed{number}.conf")
        paths[-1].write_bytes(data)
    check(paths)


@given(st.binary(max_size=300))
@settings(max_examples=EXAMPLES, deadline=None)
def test_random_bytes_are_valid_or_have_errors(directory: Path, data: bytes) -> None:
    path = directory / "bytes.conf"
    path.write_bytes(data)
    check([path])
