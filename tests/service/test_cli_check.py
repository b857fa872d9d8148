"""Tests of ``apf check`` without a pool: files, plugins, explanations, and the shipped example."""

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
    """The shipped example with its paths filled in."""
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


def findings(result: Result) -> list[str]:
    """Return the reported lines, without what this host can't check."""
    return [line for line in result.stdout.splitlines()[:-1] if "not checked" not in line]


def test_example_is_valid(example: Path) -> None:
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0, result.output
    assert findings(result) == []
    assert result.stdout.splitlines()[-1].startswith("good: 1 queue, 1 disabled")


def test_example_is_valid_with_its_second_queue_enabled(example: Path) -> None:
    edit(example, "enabled = False", "enabled = True")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0, result.output
    assert findings(result) == []


def test_missing_bindings_are_the_only_error(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.check.bindings.find_spec", lambda name: None)
    result = run("check", "--conf", example)
    assert result.exit_code == 1
    assert len(findings(result)) == 1
    assert "can't import htcondor2 and classad2 (HTCondor's Python bindings); " in findings(result)[0]
    assert run("check", "--offline", "--conf", example).exit_code == 0


def test_explains_a_disabled_queue(example: Path) -> None:
    result = run("explain", "queue", "CLOUD-spot", "--conf", example)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "queue CLOUD-spot"
    assert "disabled: no purchases" in result.stdout


def test_explain_job_says_that_not_every_schedd_answered(example: Path) -> None:
    edit(example, "[Factory]", "[Factory]\nschedd = nobody\npool = 127.0.0.1:9")
    edit(example, "wmsstatusplugin = CondorLocal", "wmsstatusplugin = Condor\nwmsstatus.condor.schedd = nobody")
    edit(example, "wmsqueue = CLOUD", "wmsqueue = CLOUD\nwmsstatus.condor.pool = 127.0.0.1:9")
    result = run("explain", "job", "1.0", "--conf", example)
    assert result.exit_code == 1
    assert "job 1.0: not found, and not every schedd answered" in result.stderr


def test_machine_attributes_must_be_valid_classad_expressions(example: Path) -> None:
    edit(example, "sched.fit.after = 15m", "sched.fit.machine.Has Docker = true")
    assert "'Has Docker' is not a valid attribute name" in findings(run("check", "--offline", "--conf", example))[0]
    pytest.importorskip("classad2")
    edit(example, "sched.fit.machine.Has Docker = true", "sched.fit.machine.HasDocker = yes please")
    assert "'yes please' is not a ClassAd expression" in findings(run("check", "--offline", "--conf", example))[0]


def test_check_changes_no_files(example: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    run("check", "--offline", "--conf", example)
    assert sorted(os.listdir(tmp_path)) == before


def test_accepts_conf_before_the_command(example: Path) -> None:
    assert run("--conf", example, "check", "--offline").exit_code == 0


def test_last_line_counts_errors_and_warnings(example: Path) -> None:
    edit(example, "sched.fit.after = 15m", "sched.fit.after = soon\nsched.fit.before = 3\nvo = ATLAS")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4
    assert result.stdout.splitlines()[-1] == "not good: 2 errors, 1 warning"


def test_every_configuration_error_has_file_line_and_key(example: Path) -> None:
    edit(example, "sched.maxpercycle.maximum = 10", "sched.maxpercycle.maximum = ten\nsched.maxpercycle.maximun = 1")
    edit(example, "schedplugin = Fit, MaxPerCycle", "schedplugin = Fit, MaxPerCycles")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    for words, key in ((".maximum = ten", "sched.maxpercycle.maximum:"), ("maximun", "sched.maxpercycle.maximun:")):
        assert any(line.startswith(f"{line_of(example, words)}: [CLOUD] {key} ") for line in lines), result.stdout
    assert any(line.startswith(f"{line_of(example, 'MaxPerCycles')}: [CLOUD] schedplugin: ") for line in lines)


@pytest.mark.parametrize(
    ("mode", "message"),
    [(0o604, "can be read by others (mode 0604)"), (0o640, "can be read by its group"), (0o666, "its group")],
)
def test_key_file_readable_by_others_is_an_error(example: Path, tmp_path: Path, mode: int, message: str) -> None:
    (tmp_path / "secret.key").chmod(mode)
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    (line,) = findings(result)
    place = line_of(example, "secret_access_key")
    assert line.startswith(f"{place}: [CLOUD] batchsubmit.condorec2.secret_access_key: ")
    assert message in line


def test_missing_empty_or_irregular_key_file_is_an_error(example: Path, tmp_path: Path) -> None:
    (tmp_path / "access.key").unlink()
    (tmp_path / "secret.key").write_text("\n")
    missing, empty = findings(run("check", "--offline", "--conf", example))
    assert "access_key_id: " in missing
    assert "No such file" in missing
    assert "has no key" in empty
    (tmp_path / "access.key").mkdir()
    assert "is not a regular file" in findings(run("check", "--offline", "--conf", example))[0]


def test_does_not_show_a_secret_written_in_place_of_its_file(example: Path, tmp_path: Path) -> None:
    edit(example, f"= {tmp_path}/secret.key", "= wJalrXUtnFEMI/K7MDENG")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "wJalr" not in result.output


def test_empty_image_id_is_an_error(example: Path) -> None:
    edit(example, "ami_id = ami-0123456789abcdef0", "ami_id =")
    assert "ami_id: '' is not valid; write the id of an image" in findings(run("check", "--conf", example))[0]


def test_relative_path_is_an_error(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    edit(example, f"= {tmp_path}/access.key", "= access.key")
    edit(example, "batchsubmit.condorec2.lease = 2d", "batchsubmit.condorec2.user_data_files = site.yaml")
    line, layer = findings(run("check", "--offline", "--conf", example))
    assert "user_data_files: site.yaml is relative to where apf is started" in layer
    assert "access_key_id: is not an absolute path; write the key into a file" in line
    edit(example, f"statedir = {tmp_path}/state", "statedir = state")
    assert (
        "statedir: state is a relative path; write an absolute one"
        in findings(run("check", "--offline", "--conf", example))[0]
    )


def test_missing_user_data_layer_is_an_error(example: Path, tmp_path: Path) -> None:
    edit(example, "batchsubmit.condorec2.lease = 2d", f"batchsubmit.condorec2.user_data_files = {tmp_path}/site.yaml")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "user_data_files: " in findings(result)[0]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("packages: [condor]", "the first line must be '#cloud-config'"),
        ("#cloud-config\na: b: c", "site.yaml:2: not YAML: "),
        ("## template: jinja\n#cloud-config\nruncmd:\n- 'echo {{ v1 region }}'", "site.yaml:4: Jinja syntax error: "),
        ("#cloud-config\nfinal_message: Gr\udcfc\udcdfe", "site.yaml: is not UTF-8 at byte "),
        ("#cloud-config\nrun: @nothing@", "site.yaml:2: @nothing@ is unknown; known:"),
        ("#cloud-config\n## template: jinja\nrun: '{{ v1.region }}'", "has no effect here; move it to the first line"),
        ("## template: jinja\n#cloud-config\nrun: {{ v1.region }}", "key; write quotes around {{ … }}"),
        ("## template: jinja\n#!/bin/sh\ndate\n", "must be '#cloud-config', or '#!…' for a script"),
        ("#cloud-config\nfinal_message: " + "x" * 20000, "EC2 accepts 16384"),
    ],
)
def test_invalid_user_data_layer_is_an_error(example: Path, tmp_path: Path, layer: str, message: str) -> None:
    (tmp_path / "site.yaml").write_text(layer, errors="surrogateescape")
    edit(example, "batchsubmit.condorec2.lease = 2d", f"batchsubmit.condorec2.user_data_files = {tmp_path}/site.yaml")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert [message in line for line in findings(result)] == [True]
    assert "UserDataError" not in result.stdout


def test_accepts_a_user_data_layer_with_bom_and_crlf(example: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"\xef\xbb\xbf## template: jinja\r\n#cloud-config\r\nruncmd: [date]\r\n")
    edit(example, "batchsubmit.condorec2.lease = 2d", f"batchsubmit.condorec2.user_data_files = {tmp_path}/site.yaml")
    assert findings(run("check", "--offline", "--conf", example)) == []


def test_instance_type_of_unknown_size_is_an_error_with_fit(example: Path) -> None:
    edit(example, "instance_type = m5.large,", "instance_type = uni.medium,")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "[CLOUD] batchsubmit.condorec2.instance_type: no size is known for uni.medium" in findings(result)[0]
    edit(example, "batchsubmit.condorec2.lease = 2d", "batchsubmit.condorec2.size_uni.medium = 2, 4096")
    assert findings(run("check", "--offline", "--conf", example)) == []


def test_statedir_readable_by_others_is_an_error(example: Path, tmp_path: Path) -> None:
    (tmp_path / "state" / "apf").mkdir(parents=True, mode=0o755)
    (tmp_path / "state" / "apf").chmod(0o755)
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert findings(result)[0].startswith(f"{line_of(example, 'statedir =')}: [Factory] statedir: ")


def test_statedir_that_can_not_be_created_is_an_error(example: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 1
    assert "statedir" in findings(result)[0]


def test_warns_about_multi_core_vms_for_single_core_jobs(example: Path) -> None:
    edit(example, "schedplugin = Fit,", "schedplugin = Ready,")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0
    assert any("buys 2 VMs for 2 jobs" in line and "warning: " in line for line in findings(result))


def test_warns_about_two_queues_that_serve_the_same_jobs(example: Path) -> None:
    edit(example, "enabled = False", "enabled = True")
    edit(example, "schedplugin = Fit,", "schedplugin = Ready, Scale,")
    edit(example, "schedplugin = Fit,", "schedplugin = Ready, Scale,")
    result = run("check", "--offline", "--conf", example)
    assert result.exit_code == 0
    assert any("[CLOUD] wmsqueue: warning: serves the same jobs as [CLOUD-spot]" in line for line in findings(result))


def test_explains_a_key() -> None:
    result = run("check", "--explain", "sched.maxtorun.maximum")
    assert result.exit_code == 0
    assert result.stdout.startswith("sched.maxtorun.maximum\n")
    wrong = run("check", "--explain", "sched.maxtorun.maximun")
    assert wrong.exit_code == 2
    assert "did you mean" in wrong.stderr


def test_offline_check_imports_no_htcondor_bindings(example: Path) -> None:
    code = (
        "import sys; from factory.cli.command import apf\n"
        "apf(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'htcondor', 'htcondor2', 'classad2'} & set(sys.modules)\n"
    )
    arguments = [sys.executable, "-c", code, "check", "--offline", "--conf", str(example)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
