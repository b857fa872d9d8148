"""The machine image: file paths, hardware and HTCondor configuration."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.hardware import Hardware, UnknownInstanceType, hardware
from localcloud.image import condor_config, host_path, lay_out


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
def test_paths_map_under_the_machines_root(path: str, expected: str) -> None:
    assert host_path(Path("/root/i-1"), path) == Path(expected)


@given(st.text(alphabet="./ab", max_size=20))
def test_no_path_escapes_the_root(path: str) -> None:
    root = Path("/root/i-1")
    assert host_path(root, path).resolve().is_relative_to(root)


@pytest.mark.parametrize(
    ("instance_type", "size"),
    [
        ("m1.xlarge", Hardware(cpus=4, memory_mb=15360, gpus=0, disk_gb=1680)),
        ("m5.large", Hardware(cpus=2, memory_mb=8192, gpus=0, disk_gb=0)),
        ("g4dn.xlarge", Hardware(cpus=4, memory_mb=16384, gpus=1, disk_gb=125)),
    ],
)
def test_hardware_follows_the_instance_type(instance_type: str, size: Hardware) -> None:
    assert hardware(instance_type) == size


def test_unknown_instance_type_raises() -> None:
    with pytest.raises(UnknownInstanceType):
        hardware("m5.gigantic")


def test_image_config_has_the_hardware_and_no_pool() -> None:
    text = condor_config(Path("/r"), "ip-1.ec2.internal", Hardware(4, 16384, 2, 0), 8, {"SBIN": "/usr/sbin"})
    lines = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert lines["NUM_CPUS"] == "4"
    assert lines["MEMORY"] == "16384"
    assert lines["DISK"] == str(8 * 1024 * 1024)
    assert lines["MACHINE_RESOURCE_GPUs"] == "GPU-00000000, GPU-00000001"
    assert lines["LOCAL_CONFIG_DIR"] == "/r/etc/condor/config.d"
    assert lines["SBIN"] == "/usr/sbin"
    assert not {"COLLECTOR_HOST", "CONDOR_HOST", "STARTD_NAME", "START"} & set(lines)


def test_second_lay_out_keeps_existing_files(tmp_path: Path) -> None:
    lay_out(tmp_path)
    token = tmp_path / "etc/condor/tokens.d/vm"
    token.write_text("token")
    lay_out(tmp_path)
    assert token.read_text() == "token"
    assert token.parent.stat().st_mode & 0o777 == 0o700
