"""Tests of reading several files: their order, defaults, and the files that [Factory] names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from factory.config.problems import ConfigError
from factory.config.queues import Config
from tests.rig.configs import Ready, messages, problems, queue, read, write


def offset(config: Config, name: str = "Q") -> int:
    made = config.queue(name)
    assert made is not None
    settings = made.sched[0].settings
    assert isinstance(settings, Ready.Settings)
    return settings.offset


def test_default_applies_only_to_sections_of_its_file(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 1\n" + queue(name="A"), "1.conf")
    two = write(tmp_path, queue(name="B"), "2.conf")
    config = read(one, two)
    assert (offset(config, "A"), offset(config, "B")) == (1, 0)


def test_own_key_overrides_default_of_a_later_file(tmp_path: Path) -> None:
    one = write(tmp_path, queue("sched.ready.offset = 5"), "1.conf")
    two = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 9\n[Q]\npriority = 2\n", "2.conf")
    assert offset(read(one, two)) == 5
    assert not problems(one, two)


def test_later_default_overrides_earlier_default(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 5\n" + queue(), "1.conf")
    two = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 9\n[Q]\npriority = 2\n", "2.conf")
    assert offset(read(one, two)) == 9


def test_later_key_overrides_earlier_key_with_a_warning(tmp_path: Path) -> None:
    one = write(tmp_path, queue("sched.ready.offset = 5"), "1.conf")
    two = write(tmp_path, "[Q]\nsched.ready.offset = 9\nenabled = True\n", "2.conf")
    assert offset(read(one, two)) == 9
    assert messages(one, two) == "2.conf:2: [Q] sched.ready.offset: warning: overrides 1.conf:6; keep one of the two"


def test_warns_about_default_in_a_file_without_sections(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 5\n", "1.conf")
    two = write(tmp_path, queue(), "2.conf")
    assert offset(read(one, two)) == 0
    assert "warning: has no effect: it applies only to sections of its own file; move it there" in messages(one, two)


def test_directory_files_share_defaults_and_are_read_by_name(tmp_path: Path) -> None:
    write(tmp_path, "[DEFAULT]\nsched.ready.offset = 5\n", "00.conf")
    for number in "7351826":
        write(tmp_path, queue(name=number), f"3{number}.conf")
    write(tmp_path, queue(name="A"), "20.conf")
    write(tmp_path, queue("sched.ready.offset = 1", name="B"), "10.conf")
    write(tmp_path, "nonsense", "README")
    config = read(tmp_path)
    assert (offset(config, "A"), offset(config, "B")) == (5, 1)
    assert [q.name for q in config.queues] == ["B", "A", *"1235678"]


def test_references_may_use_keys_of_later_files(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = %(n)s\n" + queue(), "1.conf")
    two = write(tmp_path, "[Q]\nn = 7\n", "2.conf")
    assert offset(read(one, two)) == 7


@pytest.mark.parametrize(
    "value", ["a.conf, b.conf", "file://{dir}/a.conf,b.conf", "{dir}/a.conf ,  {dir}/b.conf,", "a.conf,\n  b.conf"]
)
def test_queue_conf_is_relative_to_the_file_that_contains_it(tmp_path: Path, value: str) -> None:
    write(tmp_path, queue(name="A"), "a.conf")
    write(tmp_path, queue(name="B"), "b.conf")
    main = write(tmp_path, f"[Factory]\nqueueConf = {value.format(dir=tmp_path)}\n", "apf.conf")
    assert [q.name for q in read(main).queues] == ["A", "B"]


def test_queue_conf_and_queue_dir_conf_work_together(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write(tmp_path, queue(name="A"), "a.conf")
    write(tmp_path, queue(name="B"), "d/b.conf")
    main = write(tmp_path, "[Factory]\nqueueConf = a.conf\nqueueDirConf = d\n" + queue(name="C"), "apf.conf")
    assert {q.name for q in read(main).queues} == {"A", "B", "C"}


def test_expands_tilde_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, queue("batchsubmit.condorlocal.executable = ~/run.sh"), "a.conf")
    main = write(tmp_path, "[Factory]\nqueueConf = ~/a.conf\n", "apf.conf")
    assert read(main).queues[0].batchsubmit.settings.executable == tmp_path / "run.sh"
    assert read(Path("~/a.conf")).queues
    for url in ("file://~/a.conf", "file:///~/a.conf"):
        write(tmp_path, f"[Factory]\nqueueConf = {url}, \n", "apf.conf")
        assert read(main).queues


@pytest.mark.parametrize("key", ["queueConf", "queueDirConf", "monitorConf"])
def test_unreadable_file_is_an_error_of_the_key_that_names_it(tmp_path: Path, key: str) -> None:
    conf = write(tmp_path, f"[Factory]\n{key} = missing.conf\n" + queue("monitorsection = m"), "apf.conf")
    problem = next(each for each in problems(conf) if each.severity == "error")
    assert str(problem).startswith(f"{conf}:2: [Factory] {key}: {tmp_path}/missing.conf: ")
    assert "has no section" not in messages(conf)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("queueConf = missing.conf", "missing.conf: no such file; check the path"),
        ("queueConf = .", "apf.conf:2: [Factory] queueConf: . is a directory; name it in queueDirConf"),
        ("queueDirConf = apf.conf", "apf.conf: can't be read as a directory: Not a directory"),
        ("queueDirConf = nowhere", "nowhere: can't be read as a directory: No such file or directory"),
        ("queueDirConf = empty", "empty: warning: has no *.conf file; add one"),
        (
            "queueConf = http://example.org/q.conf",
            "apf.conf:2: [Factory] queueConf: 'http://example.org/q.conf' is not a local file; "
            "download it and give its path",
        ),
        (
            "queueConf = factory.conf",
            "factory.conf:1: [Factory] is not read here; move it into a file that is given with --conf",
        ),
        ("queueConf = queue.conf\nfactoryId = a b", "queue.conf:2: [Q] sched.ready.offset: 'x' is not a whole number"),
    ],
)
def test_reports_errors_of_named_files(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "[Factory]\nfactoryId = x\n", "factory.conf")
    write(tmp_path, queue().replace("enabled", "sched.ready.offset = x\nenabled"), "queue.conf")
    main = write(tmp_path, f"[Factory]\n{text}\n", "apf.conf")
    assert wrong in messages(main)


def test_reports_missing_files_and_missing_queues(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--conf: names no file"):
        read()
    assert messages(write(tmp_path, "")) == "queues.conf: warning: has no queue; add a [section] for each queue"
    with pytest.raises(ConfigError, match=r"--conf: 'http:/h/f' is not a local file"):
        read(Path("http://h/f"))


def test_reports_impossible_paths(tmp_path: Path) -> None:
    main = write(tmp_path, f"[Factory]\nqueueConf = {'x' * 300}\nqueueDirConf = {'y' * 300}\n", "apf.conf")
    assert messages(main).count("File name too long") == 2
    assert "File name too long" in messages(Path("x" * 300))
    assert "embedded null" in messages(Path("a\0b"))
    assert r"\udcff.conf: no such file" in messages(tmp_path / os.fsdecode(b"\xff.conf"))


def test_factory_section_may_be_in_any_given_file(tmp_path: Path) -> None:
    one = write(tmp_path, queue(), "1.conf")
    two = write(tmp_path, "[Factory]\nfactoryId = here\n", "2.conf")
    assert read(one, two).factory.id == "here"
