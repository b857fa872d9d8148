"""Tests of queues made from sections: typed values, and errors at the line of the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config.problems import ConfigError
from tests.rig.configs import CondorEC2, CondorLocal, messages, problems, queue, read, write

EC2 = "batchsubmit.condorec2"


def ec2(*lines: str) -> str:
    """A queue that buys VMs."""
    text = queue(f"{EC2}.gridresource = https://ec2.example.org/", *lines)
    return text.replace("CondorLocal", "CondorEC2").replace("= Condor\n", "= CondorEC2\n")


def local_settings(path: Path) -> CondorLocal.Settings:
    settings = read(path).queues[0].batchsubmit.settings
    assert isinstance(settings, CondorLocal.Settings)
    return settings


def ec2_settings(path: Path) -> CondorEC2.Settings:
    settings = read(path).queues[0].batchsubmit.settings
    assert isinstance(settings, CondorEC2.Settings)
    return settings


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("spot_price = 0.156", "spot_price", 0.156),
        ("spot_price = None", "spot_price", None),
        ("ami_id = none", "ami_id", None),
        ("ami_id =", "ami_id", None),
        ("lease = 90", "lease", 90),
        ("lease = 90s", "lease", 90),
        ("lease = 1.5h", "lease", 5400),
        ("lease = 2 d", "lease", 172800),
        ("lease = None", "lease", 172800),
        ("security_groups = a, b,,c ,", "security_groups", ("a", "b", "c")),
        ("security_groups = None", "security_groups", ()),
        ("tag_Name = x\n    y", "tags", {"Name": "x y"}),
        ("ami_id = a ; b\n\n  # c\n  d", "ami_id", "a d"),
        ("user_data = #!/bin/sh\n  echo\n\n  date", "user_data", "#!/bin/sh\necho\n\ndate"),
        ("tag_name = None", "tags", {"name": "None"}),
    ],
)
def test_converts_values_to_their_types(tmp_path: Path, line: str, field: str, value: object) -> None:
    settings = ec2_settings(write(tmp_path, ec2(f"{EC2}.{line}")))
    assert getattr(settings, field) == value


def test_none_cancels_a_default(tmp_path: Path) -> None:
    path = write(tmp_path, f"[DEFAULT]\n{EC2}.spot_price = 1\n" + ec2(f"{EC2}.spot_price = None"))
    assert ec2_settings(path).spot_price is None


def test_named_keys_come_from_the_section_and_from_defaults(tmp_path: Path) -> None:
    default = "[DEFAULT]\nbatchsubmit.condorlocal.condor_attributes.a = 1\n"
    attribute = "batchsubmit.condorlocal.condor_attributes"
    path = write(tmp_path, default + queue(f"{attribute} = x=1", f"{attribute}.+Acc = %(g)s", "g = 2"))
    settings = local_settings(path)
    assert settings.attributes == {"+Acc": "2", "a": "1"}
    assert settings.condor_attributes == "x=1"


def test_key_with_the_prefix_of_named_keys_stays_a_key(tmp_path: Path) -> None:
    settings = ec2_settings(write(tmp_path, ec2(f"{EC2}.tag_limit = 5", f"{EC2}.tag_limits = 6")))
    assert (settings.tag_limit, settings.tags) == (5, {"limits": "6"})


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("priority = x", "priority: 'x' is not a whole number"),
        ("priority = 1.5", "priority: '1.5' is not a whole number"),
        ("priority =", "priority: '' is not a whole number; for no value write None or remove the key"),
        ("priority = 1 # one", "priority: '1 # one' is not a whole number; a comment after a value starts with ' ;'"),
        (
            "priority = 1\n  wmsqueue = x",
            "priority: '1 wmsqueue = x' is not a whole number; an indented line continues the value above it",
        ),
        ("apfqueue.sleep = 0", "apfqueue.sleep: '0' is out of range; write a number that is at least 1"),
        ("apfqueue.sleep = -5", "'-5' is not a duration; write seconds (90), or a number with s, m, h, d or w (15m)"),
        (
            "apfqueue.sleep = " + "9" * 400,
            "apfqueue.sleep: '99999999999999999999' is longer than 100 years; write a shorter duration",
        ),
        (f"{EC2}.vpc_ip = odd", f"{EC2}: can't be checked: the plugin's Settings raised ZeroDivisionError"),
        ("enabled = perhaps", "enabled: 'perhaps' is not a boolean; write True or False"),
        ("schedplugin =", "schedplugin: names no plugin; write Null to add nothing"),
        ("schedplugin = None", "schedplugin: is missing: Plugins that decide how many"),
        ("batchstatusplugin =", "batchstatusplugin: names no plugin; write Condor or CondorEC2"),
        (
            "batchstatusplugin = None",
            "batchstatusplugin: is missing: Plugin that reports the jobs or VMs the queue already has.",
        ),
        (f"{EC2}.spot_price = -1", "spot_price: '-1' is out of range; write a number that is at least 0"),
        (f"{EC2}.spot_price = nan", "spot_price: 'nan' is not a finite number"),
        (f"{EC2}.spot_price = 0,156", "spot_price: '0,156' is not a number"),
        (f"{EC2}.gridresource = None", "gridresource: is missing: URL of the cloud."),
        (f"{EC2}.lease_max = 60", f"{EC2}: lease_max is shorter than lease"),
        (f"{EC2}.password = hunter2", "password: the value is not a whole number"),
        (f"{EC2}.ami_id = %(x)s", "ami_id: refers to %(x)s, but the section has no key 'x'"),
        (f"{EC2}.tag_A = 5%", "tag_A: has a single % at '%'; write %% for a percent sign"),
        ("x-mine = 5%", None),
        ("priority = " + "9" * 5000, "priority: '9999999999"),
    ],
)
def test_wrong_value_is_an_error_with_a_valid_one(tmp_path: Path, line: str, wrong: str | None) -> None:
    base = ec2()
    key = line.partition(" ")[0]
    text = "\n".join(kept for kept in base.splitlines() if not kept.startswith(f"{key} ")) + f"\n{line}\n"
    path = write(tmp_path, text)
    if wrong is None:
        assert not problems(path)
        return
    (problem,) = problems(path)
    assert wrong in str(problem)
    assert problem.severity == "error"
    lines = text.splitlines()
    assert problem.line == next((n for n, written in enumerate(lines, 1) if written.startswith(f"{problem.key} ")), 1)


def test_wrong_choice_is_an_error_with_all_choices(tmp_path: Path) -> None:
    path = write(tmp_path, queue("batchsubmit.condorlocal.overlay.killorder = best"))
    assert messages(path).endswith("'best' is not a valid choice; write 'newest' or 'oldest'")


def test_wrong_default_is_reported_once_with_its_queues(tmp_path: Path) -> None:
    text = "[DEFAULT]\napfqueue.sleep = soon\n" + queue(name="A") + queue(name="B") + queue(name="C")
    assert messages(write(tmp_path, text)) == (
        "queues.conf:2: [DEFAULT] apfqueue.sleep: 'soon' is not a duration; "
        "write seconds (90), or a number with s, m, h, d or w (15m) (queue A and 2 more)"
    )


def test_wrong_default_of_enabled_and_disabled_queues_is_one_error(tmp_path: Path) -> None:
    text = "[DEFAULT]\npriority = x\n" + queue(name="A").replace("True", "False") + queue(name="B")
    assert messages(write(tmp_path, text)) == "queues.conf:2: [DEFAULT] priority: 'x' is not a whole number (queue B)"


def test_checks_references_of_keys_that_other_sections_use(tmp_path: Path) -> None:
    text = queue("site = x", "wmsqueue = %(site)s", name="A") + queue("site = 5%", name="B")
    assert messages(write(tmp_path, text)).startswith("queues.conf:13: [B] site: has a single %")


def test_ignores_references_in_defaults_that_no_queue_reads(tmp_path: Path) -> None:
    assert not problems(write(tmp_path, f"[DEFAULT]\n{EC2}.ami_id = %(image)s\n" + queue()))


def test_reports_all_errors_of_all_queues_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, queue("priority = x", "nonsense = 1", name="A") + queue("sched.ready.offset = y", name="B"))
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert [(p.section, p.key, p.line) for p in caught.value.problems] == [
        ("A", "priority", 6),
        ("A", "nonsense", 7),
        ("B", "sched.ready.offset", 13),
    ]


@pytest.mark.parametrize(
    ("line", "runs"), [("enabled = True", True), ("enabled = no", False), ("enabled = None", False)]
)
def test_only_enabled_queues_run(tmp_path: Path, line: str, runs: bool) -> None:
    config = read(write(tmp_path, queue().replace("enabled = True", line)))
    assert [q.name for q in config.queues] == ["Q"] * runs
    assert config.disabled == ("Q",) * (not runs)
    assert not config.warnings


def test_queue_without_enabled_is_disabled_with_a_warning(tmp_path: Path) -> None:
    config = read(write(tmp_path, queue().replace("enabled = True", "")))
    assert config.disabled == ("Q",)
    assert "does not run, because it has no key enabled; write enabled = True or enabled = False" in str(
        config.warnings[0]
    )


def test_enablequeues_false_disables_all_queues(tmp_path: Path) -> None:
    config = read(write(tmp_path, "[Factory]\nenablequeues = False\n" + queue()))
    assert (config.queues, config.disabled) == ((), ("Q",))


def test_errors_of_a_disabled_queue_are_warnings(tmp_path: Path) -> None:
    text = queue("priority = x", "nonsense = 1").replace("= True", "= False").replace("= CondorLocal", "= CondorGT5")
    config = read(write(tmp_path, text))
    assert config.disabled == ("Q",)
    assert {p.key: p.severity for p in config.warnings} == dict.fromkeys(
        ("batchsubmitplugin", "priority", "nonsense"), "warning"
    )


def test_orders_queues_by_priority_then_by_file(tmp_path: Path) -> None:
    text = queue("priority = 2", name="A") + queue(name="B") + queue("priority = -1", name="C") + queue(name="D")
    assert [q.name for q in read(write(tmp_path, text)).queues] == ["C", "B", "D", "A"]


def test_queue_text_changes_only_with_the_keys_it_reads(tmp_path: Path) -> None:
    def text(*lines: str, default: str = "") -> tuple[tuple[str, str], ...]:
        return read(write(tmp_path, f"[DEFAULT]\n{default}\n" + queue(*lines))).queues[0].text

    plain = text("sched.ready.offset = 1")
    assert text("# comment", "sched.ready.offset = %(o)s", "o = 1") == plain
    assert text(default="sched.ready.offset = 1") == plain
    assert text("sched.ready.offset = 1", "x-mine = 2", default="sched.scale.factor = 3") == plain
    assert text("sched.ready.offset = 2") != plain
    assert text("sched.ready.offset = 1", "wmsqueue = x") != plain


@pytest.mark.parametrize("name", ["ANALY_BNL-gridgk04", "a/b", "x:1", "a.b+c@d=e", "9" * 100])
def test_accepts_valid_queue_names(tmp_path: Path, name: str) -> None:
    assert [q.name for q in read(write(tmp_path, queue(name=name))).queues] == [name]


@pytest.mark.parametrize("name", ["a b", " a", "ä", "-a", "..", 'a"b', "a$b", "$(x)", "a\\b", "9" * 101, "a,b", "a;b"])
def test_rejects_invalid_queue_names(tmp_path: Path, name: str) -> None:
    assert "is not a valid queue name; write at most 100 ASCII letters" in messages(write(tmp_path, queue(name=name)))


def test_warns_about_queues_that_share_a_log_directory(tmp_path: Path) -> None:
    assert "has the same log directory as [a_b]" in messages(write(tmp_path, queue(name="a_b") + queue(name="a/b")))


@pytest.mark.parametrize(("name", "right"), [("default", "DEFAULT"), ("Default", "DEFAULT"), ("factory", "Factory")])
def test_misspelt_special_section_is_an_error(tmp_path: Path, name: str, right: str) -> None:
    path = write(tmp_path, f"[{name}]\nfactoryId = x\n" + queue())
    assert messages(path) == f"{path.name}:1: [{name}] is not a queue; write [{right}] (upper and lower case matter)"
