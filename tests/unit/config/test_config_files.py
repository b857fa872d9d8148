"""Which files are read, and what a section says after all of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from factory.config.problems import ConfigError
from factory.config.queues import Config
from tests.rig.configs import Ready, problems, queue, read, told, write


def offset(config: Config, name: str = "Q") -> int:
    found = config.queue(name)
    assert found is not None
    settings = found.sched[0].settings
    assert isinstance(settings, Ready.Settings)
    return settings.offset


def test_a_default_counts_for_the_sections_of_its_own_file(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 1\n" + queue(name="A"), "1.conf")
    two = write(tmp_path, queue(name="B"), "2.conf")
    config = read(one, two)
    assert (offset(config, "A"), offset(config, "B")) == (1, 0)


def test_an_own_key_beats_the_default_of_a_later_file(tmp_path: Path) -> None:
    one = write(tmp_path, queue("sched.ready.offset = 5"), "1.conf")
    two = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 9\n[Q]\npriority = 2\n", "2.conf")
    assert offset(read(one, two)) == 5
    assert not problems(one, two)


def test_of_two_defaults_the_later_counts(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 5\n" + queue(), "1.conf")
    two = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 9\n[Q]\npriority = 2\n", "2.conf")
    assert offset(read(one, two)) == 9


def test_of_two_own_keys_the_later_counts_with_a_warning(tmp_path: Path) -> None:
    one = write(tmp_path, queue("sched.ready.offset = 5"), "1.conf")
    two = write(tmp_path, "[Q]\nsched.ready.offset = 9\nenabled = True\n", "2.conf")
    assert offset(read(one, two)) == 9
    assert told(one, two) == "2.conf:2: [Q] sched.ready.offset: warning: takes the place of 1.conf:6"


def test_a_default_without_a_section_in_its_file_has_no_effect_and_says_so(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = 5\n", "1.conf")
    two = write(tmp_path, queue(), "2.conf")
    assert offset(read(one, two)) == 0
    assert "warning: has no effect: a file's [DEFAULT] is for the sections of that file" in told(one, two)


def test_the_files_of_a_directory_share_their_defaults_and_are_read_by_name(tmp_path: Path) -> None:
    write(tmp_path, "[DEFAULT]\nsched.ready.offset = 5\n", "00.conf")
    for number in "7351826":
        write(tmp_path, queue(name=number), f"3{number}.conf")
    write(tmp_path, queue(name="A"), "20.conf")
    write(tmp_path, queue("sched.ready.offset = 1", name="B"), "10.conf")
    write(tmp_path, "nonsense", "README")
    config = read(tmp_path)
    assert (offset(config, "A"), offset(config, "B")) == (5, 1)
    assert [q.name for q in config.queues] == ["B", "A", *"1235678"]


def test_references_are_replaced_after_all_files_are_read(tmp_path: Path) -> None:
    one = write(tmp_path, "[DEFAULT]\nsched.ready.offset = %(n)s\n" + queue(), "1.conf")
    two = write(tmp_path, "[Q]\nn = 7\n", "2.conf")
    assert offset(read(one, two)) == 7


@pytest.mark.parametrize(
    "value", ["a.conf, b.conf", "file://{dir}/a.conf,b.conf", "{dir}/a.conf ,  {dir}/b.conf,", "a.conf,\n  b.conf"]
)
def test_queue_conf_names_more_files_beside_the_one_that_names_them(tmp_path: Path, value: str) -> None:
    write(tmp_path, queue(name="A"), "a.conf")
    write(tmp_path, queue(name="B"), "b.conf")
    main = write(tmp_path, f"[Factory]\nqueueConf = {value.format(dir=tmp_path)}\n", "apf.conf")
    assert [q.name for q in read(main).queues] == ["A", "B"]


def test_queue_conf_and_queue_dir_conf_may_both_stand(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write(tmp_path, queue(name="A"), "a.conf")
    write(tmp_path, queue(name="B"), "d/b.conf")
    main = write(tmp_path, "[Factory]\nqueueConf = a.conf\nqueueDirConf = d\n" + queue(name="C"), "apf.conf")
    assert {q.name for q in read(main).queues} == {"A", "B", "C"}


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, queue("batchsubmit.condorlocal.executable = ~/run.sh"), "a.conf")
    main = write(tmp_path, "[Factory]\nqueueConf = ~/a.conf\n", "apf.conf")
    assert read(main).queues[0].batchsubmit.settings.executable == tmp_path / "run.sh"
    assert read(Path("~/a.conf")).queues
    for url in ("file://~/a.conf", "file:///~/a.conf"):
        write(tmp_path, f"[Factory]\nqueueConf = {url}, \n", "apf.conf")
        assert read(main).queues


@pytest.mark.parametrize("key", ["queueConf", "queueDirConf", "monitorConf"])
def test_a_file_that_can_not_be_read_is_told_of_the_key_that_names_it(tmp_path: Path, key: str) -> None:
    conf = write(tmp_path, f"[Factory]\n{key} = missing.conf\n" + queue("monitorsection = m"), "apf.conf")
    problem = next(each for each in problems(conf) if each.severity == "error")
    assert str(problem).startswith(f"{conf}:2: [Factory] {key}: {tmp_path}/missing.conf: ")
    assert "has no section" not in told(conf)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("queueConf = missing.conf", "missing.conf: there is no such file"),
        ("queueConf = .", "apf.conf:2: [Factory] queueConf: . is a directory; name it in queueDirConf"),
        ("queueDirConf = apf.conf", "apf.conf: no directory to read: Not a directory"),
        ("queueDirConf = nowhere", "nowhere: no directory to read: No such file or directory"),
        ("queueDirConf = empty", "empty: warning: has no file *.conf"),
        (
            "queueConf = http://example.org/q.conf",
            "apf.conf:2: [Factory] queueConf: 'http://example.org/q.conf' is not a local file; "
            "fetch it and give its path",
        ),
        (
            "queueConf = factory.conf",
            "factory.conf:1: [Factory] is not read here: it belongs into a file that",
        ),
        ("queueConf = queue.conf\nfactoryId = a b", "queue.conf:2: [Q] sched.ready.offset: 'x' is not a whole number"),
    ],
)
def test_what_is_wrong_with_named_files_is_said(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "[Factory]\nfactoryId = x\n", "factory.conf")
    write(tmp_path, queue().replace("enabled", "sched.ready.offset = x\nenabled"), "queue.conf")
    main = write(tmp_path, f"[Factory]\n{text}\n", "apf.conf")
    assert wrong in told(main)


def test_no_file_and_no_queue_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--conf: names no file"):
        read()
    assert told(write(tmp_path, "")) == "queues.conf: warning: has no queue"
    with pytest.raises(ConfigError, match=r"--conf: 'http:/h/f' is not a local file"):
        read(Path("http://h/f"))


def test_paths_that_no_file_can_have_are_said(tmp_path: Path) -> None:
    main = write(tmp_path, f"[Factory]\nqueueConf = {'x' * 300}\nqueueDirConf = {'y' * 300}\n", "apf.conf")
    assert told(main).count("File name too long") == 2
    assert "File name too long" in told(Path("x" * 300))
    assert "embedded null" in told(Path("a\0b"))
    assert r"\udcff.conf: there is no such file" in told(tmp_path / os.fsdecode(b"\xff.conf"))


def test_factory_may_stand_in_any_file_that_is_given(tmp_path: Path) -> None:
    one = write(tmp_path, queue(), "1.conf")
    two = write(tmp_path, "[Factory]\nfactoryId = here\n", "2.conf")
    assert read(one, two).factory.id == "here"
