"""``apf check`` without a pool: files, plugins, explanations; and the example that comes with the product."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from factory.cli.command import apf as main

_EXAMPLE = Path(__file__).parents[2] / "etc" / "queues.conf.example"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example with the paths that a person fills in."""
    for name in ("access.key", "secret.key"):
        (tmp_path / name).write_text("x" * 20)
        (tmp_path / name).chmod(0o600)
    text = _EXAMPLE.read_text().replace("/etc/apf/ec2", str(tmp_path)).replace("/var/lib/apf", str(tmp_path / "state"))
    conf = tmp_path / "queues.conf"
    conf.write_text(text)
    return conf


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in arguments])


def edit(conf: Path, old: str, new: str) -> None:
    text = conf.read_text()
    assert old in text
    conf.write_text(text.replace(old, new, 1))


def line_of(conf: Path, words: str) -> str:
    lines = conf.read_text().splitlines()
    return f"{conf}:{next(i for i, line in enumerate(lines, 1) if words in line)}"


def found(result: Result) -> list[str]:
    """What was found, without what this host can't check."""
    return [line for line in result.stdout.splitlines()[:-1] if "not checked" not in line]


def test_the_example_is_accepted(example: Path) -> None:
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0, result.output
    assert found(result) == []
    assert result.stdout.splitlines()[-1].startswith("good: 1 queue, 1 disabled")


def test_the_example_is_accepted_with_its_second_queue(example: Path) -> None:
    edit(example, "enabled = False", "enabled = True")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0, result.output
    assert found(result) == []


def test_bindings_that_are_missing_are_an_error_and_the_only_one(
    example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory.check.bindings.find_spec", lambda name: None)
    result = run("check", "--conf", example)
    assert result.exit_code == 1
    assert len(found(result)) == 1
    assert "has no htcondor2 and no classad2, HTCondor's Python bindings; " in found(result)[0]
    assert run("check", "--offline", "--conf", example).exit_code == 0


def test_a_queue_that_is_disabled_is_explained_too(example: Path) -> None:
    result = run("explain", "queue", "CLOUD-spot", "--conf", example)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "queue CLOUD-spot"
    assert "holds, so that the chain asks for nothing: disabled" in result.stdout


def test_a_job_that_no_schedd_could_be_asked_for_is_not_said_to_be_nowhere(example: Path) -> None:
    edit(example, "[Factory]", "[Factory]\nschedd = nobody\npool = 127.0.0.1:9")
    edit(example, "wmsstatusplugin = CondorLocal", "wmsstatusplugin = Condor\nwmsstatus.condor.schedd = nobody")
    edit(example, "wmsqueue = CLOUD", "wmsqueue = CLOUD\nwmsstatus.condor.pool = 127.0.0.1:9")
    result = run("explain", "job", "1.0", "--conf", example)
    assert result.exit_code == 1
    assert "job 1.0: not found, and not every schedd answered" in result.stderr


def test_what_new_machines_show_must_be_attributes_and_expressions(example: Path) -> None:
    edit(example, "sched.fit.after = 15m", "sched.fit.machine.Has Docker = true")
    assert "'Has Docker' is no name of an attribute" in found(run("check", "--offline", "--conf", example))[0]
    pytest.importorskip("classad2")
    edit(example, "sched.fit.machine.Has Docker = true", "sched.fit.machine.HasDocker = yes please")
    assert "'yes please' is no ClassAd expression" in found(run("check", "--offline", "--conf", example))[0]


def test_it_changes_nothing(example: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    run("check", "--offline", "--conf", example)
    assert sorted(os.listdir(tmp_path)) == before


def test_the_configuration_may_stand_before_the_command(example: Path) -> None:
    assert run("--conf", example, "check", "--offline").exit_code == 0


def test_many_errors_are_counted_at_the_end(example: Path) -> None:
    edit(example, "sched.fit.after = 15m", "sched.fit.after = soon\nsched.fit.before = 3\nvo = ATLAS")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4
    assert result.stdout.splitlines()[-1] == "not good: 2 errors, 1 warning"


def test_every_error_of_the_configuration_has_its_place(example: Path) -> None:
    edit(example, "sched.maxpercycle.maximum = 10", "sched.maxpercycle.maximum = ten\nsched.maxpercycle.maximun = 1")
    edit(example, "schedplugin = Fit, MaxPerCycle", "schedplugin = Fit, MaxPerCycles")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    for words, key in ((".maximum = ten", "sched.maxpercycle.maximum:"), ("maximun", "sched.maxpercycle.maximun:")):
        assert any(line.startswith(f"{line_of(example, words)}: [CLOUD] {key} ") for line in lines), result.stdout
    assert any(line.startswith(f"{line_of(example, 'MaxPerCycles')}: [CLOUD] schedplugin: ") for line in lines)


@pytest.mark.parametrize(
    ("mode", "says"),
    [(0o604, "is open to others (mode 0604)"), (0o640, "is open to its group"), (0o666, "its group")],
)
def test_a_key_file_that_others_can_read_is_an_error(example: Path, tmp_path: Path, mode: int, says: str) -> None:
    (tmp_path / "secret.key").chmod(mode)
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    (line,) = found(result)
    place = line_of(example, "secret_access_key")
    assert line.startswith(f"{place}: [CLOUD] batchsubmit.condorec2.secret_access_key: ")
    assert says in line


def test_a_key_file_that_is_missing_empty_or_none_is_an_error(example: Path, tmp_path: Path) -> None:
    (tmp_path / "access.key").unlink()
    (tmp_path / "secret.key").write_text("\n")
    missing, empty = found(run("check", "--offline", "--conf", example))
    assert "access_key_id: " in missing
    assert "No such file" in missing
    assert "holds no key" in empty
    (tmp_path / "access.key").mkdir()
    assert "is no regular file" in found(run("check", "--offline", "--conf", example))[0]


def test_a_secret_in_the_place_of_its_file_is_not_shown(example: Path, tmp_path: Path) -> None:
    edit(example, f"= {tmp_path}/secret.key", "= wJalrXUtnFEMI/K7MDENG")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "wJalr" not in result.output


def test_an_image_must_have_an_id(example: Path) -> None:
    edit(example, "ami_id = ami-0123456789abcdef0", "ami_id =")
    assert "ami_id: '' can't stand here; it must be the id of an image" in found(run("check", "--conf", example))[0]


def test_a_path_that_depends_on_where_apf_is_started_is_an_error(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edit(example, f"= {tmp_path}/access.key", "= access.key")
    edit(example, "batchsubmit.condorec2.lease = 2d", "batchsubmit.condorec2.user_data_files = site.yaml")
    line, layer = found(run("check", "--offline", "--conf", example))
    assert "user_data_files: site.yaml is looked for where apf is started" in layer
    assert "access_key_id: is not the whole path of a file; write the key into one" in line
    edit(example, f"statedir = {tmp_path}/state", "statedir = state")
    assert (
        "statedir: state is another directory wherever apf is started"
        in found(run("check", "--offline", "--conf", example))[0]
    )


def test_a_layer_of_user_data_that_is_missing_is_an_error(example: Path, tmp_path: Path) -> None:
    edit(example, "batchsubmit.condorec2.lease = 2d", f"batchsubmit.condorec2.user_data_files = {tmp_path}/site.yaml")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "user_data_files: " in found(result)[0]


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("packages: [condor]", "its first line must be '#cloud-config'"),
        ("#cloud-config\na: b: c", "site.yaml:2: not YAML: "),
        ("## template: jinja\n#cloud-config\nruncmd:\n- 'echo {{ v1 region }}'", "site.yaml:4: Jinja refuses it: "),
        ("#cloud-config\nfinal_message: Gr\udcfc\udcdfe", "site.yaml: is not UTF-8 at byte "),
        ("#cloud-config\nrun: @nothing@", "site.yaml:2: @nothing@ has no value"),
        ("#cloud-config\n## template: jinja\nrun: '{{ v1.region }}'", "counts in the first line only; put it there"),
        ("## template: jinja\n#cloud-config\nrun: {{ v1.region }}", "key; put {{ … }} between quotes"),
        ("## template: jinja\n#!/bin/sh\ndate\n", "must be '#cloud-config', or a script, '#!'"),
        ("#cloud-config\nfinal_message: " + "x" * 20000, "EC2 takes 16384"),
    ],
)
def test_user_data_that_can_not_be_made_is_an_error(example: Path, tmp_path: Path, layer: str, says: str) -> None:
    (tmp_path / "site.yaml").write_text(layer, errors="surrogateescape")
    edit(example, "batchsubmit.condorec2.lease = 2d", f"batchsubmit.condorec2.user_data_files = {tmp_path}/site.yaml")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert [says in line for line in found(result)] == [True]
    assert "UserDataError" not in result.stdout


def test_a_layer_from_windows_is_one_too(example: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"\xef\xbb\xbf## template: jinja\r\n#cloud-config\r\nruncmd: [date]\r\n")
    edit(example, "batchsubmit.condorec2.lease = 2d", f"batchsubmit.condorec2.user_data_files = {tmp_path}/site.yaml")
    assert found(run("check", "--offline", "--conf", example)) == []


def test_a_type_that_fit_never_buys_because_nobody_knows_its_size_is_an_error(example: Path) -> None:
    edit(example, "instance_type = m5.large,", "instance_type = uni.medium,")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "[CLOUD] batchsubmit.condorec2.instance_type: no size is known for uni.medium" in found(result)[0]
    edit(example, "batchsubmit.condorec2.lease = 2d", "batchsubmit.condorec2.size_uni.medium = 2, 4096")
    assert found(run("check", "--offline", "--conf", example)) == []


def test_a_statedir_that_others_can_read_is_an_error(example: Path, tmp_path: Path) -> None:
    (tmp_path / "state" / "apf").mkdir(parents=True, mode=0o755)
    (tmp_path / "state" / "apf").chmod(0o755)
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert found(result)[0].startswith(f"{line_of(example, 'statedir =')}: [Factory] statedir: ")


def test_a_statedir_that_can_not_be_made_is_an_error(example: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "statedir" in found(result)[0]


def test_machines_of_many_cores_for_single_jobs_are_a_warning(example: Path) -> None:
    edit(example, "schedplugin = Fit,", "schedplugin = Ready,")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0
    assert any("asks for 2 machines for 2 jobs" in line and "warning: " in line for line in found(result))


def test_two_queues_that_buy_for_the_same_work_are_a_warning(example: Path) -> None:
    edit(example, "enabled = False", "enabled = True")
    edit(example, "schedplugin = Fit,", "schedplugin = Ready, Scale,")
    edit(example, "schedplugin = Fit,", "schedplugin = Ready, Scale,")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0
    assert any("[CLOUD] wmsqueue: warning: reads the same work as [CLOUD-spot]" in line for line in found(result))


def test_a_key_is_explained() -> None:
    result = run("check", "--explain", "sched.maxtorun.maximum")
    assert result.exit_code == 0
    assert result.stdout.startswith("sched.maxtorun.maximum\n")
    wrong = run("check", "--explain", "sched.maxtorun.maximun")
    assert wrong.exit_code == 2
    assert "did you mean" in wrong.stderr


def test_offline_it_touches_nothing_of_htcondor(example: Path) -> None:
    code = (
        "import sys; from factory.cli.command import apf\n"
        "apf(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'htcondor', 'htcondor2', 'classad2'} & set(sys.modules)\n"
    )
    arguments = [sys.executable, "-c", code, "check", "--offline", "--conf", str(example)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
