"""Parsing of user-data as cloud-init does it."""

import base64
import gzip
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.userdata import InvalidUserData, PowerState, WriteFile, parse

DATA = {"v1": {"instance_id": "i-1", "region": "us-east-1"}, "ds": {"meta_data": {"tags": {"a": "b"}}}}


def files(document: str) -> tuple[WriteFile, ...]:
    return parse(document.encode(), DATA).files


def test_empty_document_writes_no_file() -> None:
    assert parse(b"", DATA) == parse(b"#cloud-config\n", DATA)
    assert parse(b"", DATA).files == ()


def test_parses_path_content_mode_and_append_of_files() -> None:
    document = """#cloud-config
write_files:
- path: /etc/a
  content: |
    one
    two
  permissions: '0600'
- {path: /etc/b, append: true, content: x}
- {path: /etc/empty}
- {path: /etc/number, permissions: 0o600, content: 7}
"""
    assert files(document) == (
        WriteFile("/etc/a", b"one\ntwo\n", 0o600),
        WriteFile("/etc/b", b"x", append=True),
        WriteFile("/etc/empty", b""),
        WriteFile("/etc/number", b"7", 0o600),
    )


PACKED = base64.b64encode(gzip.compress(b"content", mtime=0)).decode()


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("b64", base64.b64encode(b"content").decode()),
        ("base64", base64.b64encode(b"content").decode()),
        ("gz+b64", PACKED),
        ("gzip+base64", PACKED),
        ("gzip", f"!!binary {PACKED}"),
        ("text/plain", "content"),
    ],
)
def test_decodes_file_content(encoding: str, content: str) -> None:
    assert files(f"#cloud-config\nwrite_files: [{{path: /a, encoding: {encoding}, content: {content}}}]")[
        0
    ].content == (b"content")


def test_template_uses_instance_data() -> None:
    document = """## template: jinja
#cloud-config
write_files:
- path: /etc/{{ v1.region }}
  content: '{% if ds.meta_data.tags.a == "b" %}{{ v1.instance_id }}{% endif %}'
"""
    assert files(document) == (WriteFile("/etc/us-east-1", b"i-1"),)


def test_renders_nothing_without_the_template_header() -> None:
    assert files("#cloud-config\nwrite_files: [{path: /a, content: '{{ v1.instance_id }}'}]")[0].content == (
        b"{{ v1.instance_id }}"
    )


def test_missing_variable_is_marked_and_warned_about() -> None:
    document = "## template: jinja\n#cloud-config\nwrite_files: [{path: /a, content: '{{ v1.zone }}'}]"
    read = parse(document.encode(), DATA)
    assert read.files[0].content == b"CI_MISSING_JINJA_VAR/zone"
    assert read.warnings == ("no instance-data for zone",)


@pytest.mark.parametrize(
    ("power_state", "expected"),
    [
        ("{mode: poweroff}", PowerState("poweroff", 0)),
        ("{mode: poweroff, delay: now}", PowerState("poweroff", 0)),
        ("{mode: poweroff, delay: '+2880'}", PowerState("poweroff", 172800)),
        ("{mode: reboot, delay: 5, condition: true}", PowerState("reboot", 300)),
        ("{mode: poweroff, condition: false}", None),
        ("{mode: poweroff, condition: test -f /x}", None),
        ("{mode: sleep}", None),
        ("{mode: poweroff, delay: soon}", None),
        ("poweroff", None),
    ],
)
def test_parses_power_state(power_state: str, expected: PowerState | None) -> None:
    read = parse(f"#cloud-config\npower_state: {power_state}".encode(), DATA)
    assert read.power_state == expected
    condition_is_plain = "condition: false" in power_state
    assert bool(read.warnings) == (expected is None and not condition_is_plain)


def test_records_commands_and_packages() -> None:
    read = parse(b"#cloud-config\nruncmd: [[systemctl, start, condor]]\npackages: [condor]\n", DATA)
    assert read.recorded == {"runcmd": [["systemctl", "start", "condor"]], "packages": ["condor"]}


def test_reads_parts_of_a_mime_document_in_order() -> None:
    message = MIMEMultipart()
    message.attach(MIMEText("write_files: [{path: /a, content: first}]\npackages: [x]", "cloud-config"))
    message.attach(MIMEText("#!/bin/sh\necho hello\n", "x-shellscript"))
    message.attach(
        MIMEText("## template: jinja\n#cloud-config\nwrite_files: [{path: /b, content: '{{ v1.region }}'}]", "jinja2")
    )
    read = parse(message.as_bytes(), DATA)
    assert read.files == (WriteFile("/b", b"us-east-1"),)
    assert read.recorded == {"packages": ["x"]}
    assert read.warnings == (
        "user-data part ignored, as it is neither cloud-config nor a template of it (text/x-shellscript)",
    )


def test_decompresses_a_gzip_document() -> None:
    document = gzip.compress(b"#cloud-config\nwrite_files: [{path: /a, content: x}]")
    assert parse(document, DATA).files == (WriteFile("/a", b"x"),)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"#cloud-config\nwrite_files: [{path: /a, encoding: b64, content: s3cret}]", "entry 1: content is not b64"),
        (b"#cloud-config\nwrite_files: [{path: /a, encoding: rot13, content: s3cret}]", "entry 1: unknown encoding"),
        (b"#cloud-config\nwrite_files: [{content: s3cret}]", "entry 1: has no path"),
        (b"#cloud-config\nwrite_files: [{path: /a, permissions: s3cret}]", "entry 1: permissions are not octal"),
        (b"#cloud-config\nwrite_files: s3cret", "write_files: not a list"),
        (b"#cloud-config\n- s3cret", "not a mapping"),
        (b"#cloud-config\ns3cret: [", "not YAML in line 2"),
        (b"#cloud-config\na: *s3cret", "not YAML in line 2"),
        (b"#cloud-config\na: !s3cret b", "not YAML in line 2"),
        (b"#cloud-config\ns3cret: \x00", "not YAML"),
        (b"## template: jinja\n#cloud-config\n{{ s3cret", "jinja: syntax error in line 3"),
        (b"## template: jinja\n#cloud-config\n{{ v1 s3cret }}", "jinja: syntax error in line 3"),
        (b"## template: jinja\n#cloud-config\n{{ v1.nothing.s3cret }}", "jinja: UndefinedError"),
        (b"\xff\xfe s3cret", "not UTF-8"),
        (b"\x1f\x8b s3cret", "cannot be decompressed"),
    ],
)
def test_errors_about_bad_documents_hide_their_content(document: bytes, message: str) -> None:
    with pytest.raises(InvalidUserData, match=message) as error:
        parse(document, DATA)
    assert "s3cret" not in str(error.value)


@given(st.text())
def test_any_text_parses_or_raises_invalid_user_data(text: str) -> None:
    for document in (text, f"#cloud-config\n{text}", f"## template: jinja\n#cloud-config\n{text}"):
        try:
            parse(document.encode(errors="replace"), DATA)
        except InvalidUserData:
            continue
