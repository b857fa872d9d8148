"""The image: where files of the machine are, and what its configuration says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.hardware import Hardware, UnknownInstanceType, hardware
from localcloud.image import condor_config, lay_out, place


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/condor/config.d/50", "/root/i-1/etc/condor/config.d/50"),
        ("etc/x", "/root/i-1/etc/x"),
        ("//etc/./x", "/root/i-1/etc/x"),
        ("/etc/../../../x", "/root/i-1/x"),
        ("/a/b/../c", "/root/i-1/a/c"),
    ],
)
def test_paths_are_placed_under_the_machines_root(path: str, expected: str) -> None:
    assert place(Path("/root/i-1"), path) == Path(expected)


@given(st.text(alphabet="./ab", max_size=20))
def test_no_path_leads_out_of_the_root(path: str) -> None:
    root = Path("/root/i-1")
    assert place(root, path).resolve().is_relative_to(root)


@pytest.mark.parametrize(
    ("instance_type", "size"),
    [
        ("m1.xlarge", Hardware(cpus=4, memory_mb=15360, gpus=0, disk_gb=1680)),
        ("m5.large", Hardware(cpus=2, memory_mb=8192, gpus=0, disk_gb=0)),
        ("g4dn.xlarge", Hardware(cpus=4, memory_mb=16384, gpus=1, disk_gb=125)),
    ],
)
def test_size_follows_the_instance_type(instance_type: str, size: Hardware) -> None:
    assert hardware(instance_type) == size


def test_an_unknown_type_has_no_size() -> None:
    with pytest.raises(UnknownInstanceType):
        hardware("m5.gigantic")


def test_the_configuration_tells_the_hardware_and_nothing_of_a_pool() -> None:
    text = condor_config(Path("/r"), "ip-1.ec2.internal", Hardware(4, 16384, 2, 0), 8, {"SBIN": "/usr/sbin"})
    lines = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert lines["NUM_CPUS"] == "4"
    assert lines["MEMORY"] == "16384"
    assert lines["DISK"] == str(8 * 1024 * 1024)
    assert lines["MACHINE_RESOURCE_GPUs"] == "GPU-00000000, GPU-00000001"
    assert lines["LOCAL_CONFIG_DIR"] == "/r/etc/condor/config.d"
    assert lines["SBIN"] == "/usr/sbin"
    assert not {"COLLECTOR_HOST", "CONDOR_HOST", "STARTD_NAME", "START"} & set(lines)


def test_laying_out_twice_keeps_what_is_there(tmp_path: Path) -> None:
    lay_out(tmp_path)
    token = tmp_path / "etc/condor/tokens.d/vm"
    token.write_text("token")
    lay_out(tmp_path)
    assert token.read_text() == "token"
    assert token.parent.stat().st_mode & 0o777 == 0o700
