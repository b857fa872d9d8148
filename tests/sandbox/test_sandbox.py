"""The sandbox itself: what is inside, what is not, and that nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.signals import DEFAULT_SIGNALS, ignoring

CHECKOUT = Path(__file__).resolve().parents[2]
SANDBOX = str(CHECKOUT / "deploy" / "sandbox")
DEADLINE_S = 60

FOUND = """
import os, sys
from importlib.metadata import entry_points

os.chdir("/")
sys.path.remove("")
import factory
print(os.path.dirname(factory.__file__), "Ready" in entry_points(group="apf.sched").names)
"""
"""Prints the path of the checkout's code, and True if its plugin Ready is registered."""

bubble = pytest.mark.skipif(
    bool(os.environ.get("APF_SANDBOX")) or shutil.which("condor_master") is not None,
    reason="here commands run on the host itself",
)


def inside(*command: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SANDBOX, *command], capture_output=True, text=True, timeout=300, cwd=cwd, check=False)


def output(*command: str) -> str:
    done = inside(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def eventually(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def named(name: str) -> bool:
    """A process of this machine goes by ``name``."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[0] == name.encode():
                return True
        except OSError:  # it ended while we looked
            continue
    return False


def test_htcondor_and_its_ec2_gahp_are_on_the_path() -> None:
    assert "$CondorVersion: 2" in output("condor_version")
    tools = ["condor_master", "condor_token_fetch", "condor_drain", "ec2_gahp"]
    assert len(output("which", *tools).splitlines()) == len(tools)


def test_python_has_the_bindings_of_the_distribution_and_the_packages_of_setup_cfg() -> None:
    program = "import htcondor2, classad2, boto3, moto, pydantic, pytest; print(htcondor2.__file__)"
    assert "dist-packages" in output("python", "-c", program)


def test_scripts_and_plugins_of_the_checkout_are_found() -> None:
    assert "Usage: apf" in output("apf", "--help")
    assert "Usage: apf-localcloud" in output("apf-localcloud", "--help")
    assert output("python", "-c", FOUND).split() == [str(CHECKOUT / "factory"), "True"]


@bubble
def test_a_second_checkout_shares_the_packages_and_has_its_own_plugins(tmp_path: Path) -> None:
    output("true")
    second = tmp_path / "second"
    (second / "factory").mkdir(parents=True)
    (second / "factory" / "__init__.py").touch()
    shutil.copytree(CHECKOUT / "deploy", second / "deploy")
    for name in ("setup.cfg", "constraints.txt"):
        shutil.copy(CHECKOUT / name, second)
    setup = second / "setup.cfg"
    setup.write_text(setup.read_text().replace("    Ready = plugins.sched.ready:Ready\n", ""))
    command = [str(second / "deploy" / "sandbox"), "python", "-c", FOUND]
    done = subprocess.run(command, capture_output=True, text=True, cwd=second, check=False)
    assert (done.stdout.split(), done.stderr) == ([str(second / "factory"), "False"], "")
    assert output("python", "-c", FOUND).split() == [str(CHECKOUT / "factory"), "True"]


@bubble
def test_the_version_of_htcondor_follows_the_suite() -> None:
    series = {"trixie": "23.", "forky": "25."}[os.environ.get("SANDBOX_SUITE") or "trixie"]
    assert f"$CondorVersion: {series}" in output("condor_version")


@bubble
def test_the_only_network_is_a_loopback_that_is_up() -> None:
    links = output("ip", "-brief", "address").splitlines()
    assert len(links) == 1
    assert links[0].split()[0] == "lo"
    assert "127.0.0.1/8" in links[0]


@bubble
def test_its_own_names_resolve_and_no_server_is_asked_for_foreign_ones() -> None:
    """A name server that does not answer would delay every import of htcondor2."""
    program = """
import socket
for name in (socket.gethostname(), "localhost", "ec2.us-east-1.localhost"):
    assert socket.gethostbyname(name) == "127.0.0.1", name
try:
    socket.gethostbyname("collector.example.org")
except OSError:
    print(repr(open("/etc/resolv.conf").read()))
"""
    assert output("python", "-c", program) == "''"


@bubble
def test_the_user_is_ordinary_and_the_system_read_only() -> None:
    assert output("id", "-u") == "1000"
    assert output("whoami") == "apf"
    assert inside("touch", "/usr/x").returncode != 0
    assert inside("touch", "/etc/x").returncode != 0
    assert inside("touch", "/x").returncode != 0
    assert inside("sh", "-c", "touch ~/x /tmp/x /var/tmp/x").returncode == 0


@bubble
def test_tmp_is_private(tmp_path: Path) -> None:
    own = CHECKOUT.relative_to("/tmp").parts[:1] if CHECKOUT.is_relative_to("/tmp") else ()
    assert output("ls", "-A", "/tmp").split() == list(own)
    assert inside("test", "-e", str(tmp_path)).returncode != 0


@bubble
def test_files_made_in_the_checkout_belong_to_the_user_who_entered() -> None:
    path = CHECKOUT / f".made-inside-{uuid.uuid4().hex}"
    try:
        output("touch", str(path))
        assert path.stat().st_uid == os.getuid()
    finally:
        path.unlink(missing_ok=True)


@bubble
def test_the_environment_stays_outside_but_for_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-you")
    monkeypatch.setenv("APF_FOR_THE_SANDBOX", "yes")
    variables = output("env")
    assert "not-for-you" not in variables
    assert "APF_FOR_THE_SANDBOX=yes" in variables
    assert "CONDOR_CONFIG" not in variables


def test_a_command_keeps_its_exit_status_and_its_directory() -> None:
    assert inside("sh", "-c", "exit 37").returncode == 37
    assert inside("pwd", cwd=CHECKOUT / "deploy").stdout.strip() == str(CHECKOUT / "deploy")


@bubble
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_killing_the_entering_process_leaves_no_process(how: signal.Signals) -> None:
    child, daemon = f"child-{uuid.uuid4().hex}", f"daemon-{uuid.uuid4().hex}"
    program = f"""
trap '' TERM HUP
(exec -a {child} sleep 600) &
setsid --fork bash -c 'exec -a {daemon} sleep 600'
wait
"""
    with ignoring(signal.SIGHUP, signal.SIGINT):  # as nohup does; it must not change a thing
        entered = subprocess.Popen([*DEFAULT_SIGNALS, SANDBOX, "bash", "-c", program], cwd=CHECKOUT)
    try:
        assert eventually(lambda: named(child) and named(daemon))
    finally:
        entered.send_signal(how)
    entered.wait(DEADLINE_S)
    assert eventually(lambda: not named(child) and not named(daemon))


@bubble
def test_it_ends_with_the_process_that_started_it() -> None:
    child = f"child-{uuid.uuid4().hex}"
    command = [SANDBOX, "bash", "-c", f"exec -a {child} sleep 600"]
    program = f"import subprocess; subprocess.run({command!r})"
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT)
    try:
        assert eventually(lambda: named(child))
    finally:
        starter.kill()
    starter.wait(DEADLINE_S)
    assert eventually(lambda: not named(child))


@bubble
def test_entering_a_second_time_needs_no_program_but_bubblewrap(tmp_path: Path) -> None:
    """It takes a moment because it does next to nothing: no check, no build, no venv."""
    output("true")
    for name in ("bwrap", "python3"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    home = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME", "SANDBOX_SUITE") if name in os.environ}
    command = [sys.executable, SANDBOX, "true"]
    done = subprocess.run(command, env=home | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@bubble
def test_a_missing_tool_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    environment = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, SANDBOX, "true"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "install bubblewrap mmdebstrap" in done.stderr


@bubble
def test_an_unknown_suite_is_one_line_that_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_SUITE", "potato")
    done = inside("true")
    assert done.returncode == 1
    assert done.stderr == "sandbox: SANDBOX_SUITE=potato is unknown: use trixie or forky\n"
