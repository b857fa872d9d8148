"""CondorEC2: a key for every ec2_* submit command, user-data, and invalid combinations."""

import email
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.fill.schema import schema
from factory.config.problems import ConfigError
from factory.config.queues import Queue
from factory.plugin.batchsubmit import Submission, VMSubmitPlugin
from factory.userdata.compose import UserDataError
from localcloud import userdata
from plugins.batchsubmit.condorec2 import CondorEC2
from plugins.batchsubmit.ec2commands import parameter_lines
from tests.rig.ec2table import COMMANDS, OPTIONAL, Command, keys
from tests.rig.queues import NOW, VMS, commands, make_queue, submit_tools


def vms(directory: Path, **own: object) -> Queue:
    """Return a submission of a queue of VMs; ``own`` are keys of CondorEC2."""
    return make_queue(directory, {**VMS, **{f"batchsubmit.condorec2.{key}": value for key, value in own.items()}})


def submission(queue: Queue, directory: Path, n: int = 1) -> Submission:
    return queue.batchsubmit.submission(n, (), submit_tools(directory, queue))


def names(lines: dict[str, str]) -> list[str]:
    return lines["ec2_parameter_names"].split(", ")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.key)
def test_each_submit_command_has_a_key(tmp_path: Path, command: Command) -> None:
    queue = make_queue(tmp_path, {**VMS, **keys(command)})
    made = submission(queue, tmp_path)
    lines = {**commands(made)}
    name, value = command.line
    assert lines[name] == value
    if value.startswith("$("):
        macro = value[2:-1]
        assert {**lines, **made.items[0]}[macro] == command.value


def test_unset_keys_write_no_line(tmp_path: Path) -> None:
    lines = commands(submission(vms(tmp_path, imds="as-is"), tmp_path))
    optional = {command.line[0] for command in OPTIONAL if "TagSpecification" not in command.line[0]}
    assert not optional & lines.keys()
    assert "InstanceMarketOptions" not in lines["ec2_parameter_names"]


def test_parameters_are_named_with_dots_and_set_with_underscores(tmp_path: Path) -> None:
    own = {"iam_profile_name": "worker", "spot_price": "0.5", "parameter_MetadataOptions.HttpTokens": "required"}
    lines = commands(submission(vms(tmp_path, **own, tag_Name="w"), tmp_path))
    assert {"Version", "IamInstanceProfile.Name", "MetadataOptions.HttpTokens"} <= set(names(lines))
    assert "ec2_iam_profile_name" not in lines, "HTCondor drops it"
    assert [name for name in names(lines) if f"ec2_parameter_{name.replace('.', '_')}" not in lines] == []


@pytest.mark.parametrize(
    ("url", "keys", "tokens"),
    [
        ("https://ec2.eu-west-1.amazonaws.com/", {}, "required"),
        ("https://ec2.cn-north-1.amazonaws.com.cn/", {}, "required"),
        ("http://ec2.us-east-1.localhost:5000/", {}, "required"),
        ("https://cloud.example.org:8788/", {}, None),
        ("https://amazonaws.com.example.org/", {}, None),
        ("https://cloud.example.org:8788/", {"imds": "required"}, "required"),
        ("https://ec2.eu-west-1.amazonaws.com/", {"imds": "optional"}, "optional"),
        ("https://ec2.eu-west-1.amazonaws.com/", {"imds": "as-is"}, None),
        ("https://ec2.eu-west-1.amazonaws.com/", {"parameter_MetadataOptions.HttpTokens": "optional"}, "optional"),
    ],
)
def test_metadata_service_asks_for_tokens_where_the_cloud_knows_them(
    tmp_path: Path, url: str, keys: dict[str, str], tokens: str | None
) -> None:
    queue = vms(tmp_path, gridresource=url, **keys)
    lines = commands(submission(queue, tmp_path))
    assert lines.get("ec2_parameter_MetadataOptions_HttpTokens") == tokens
    assert ("MetadataOptions.HttpPutResponseHopLimit" in names(lines)) is (tokens is not None)


@pytest.mark.parametrize(("imds", "advised"), [("required", True), ("optional", False), ("as-is", False)])
def test_vm_that_never_joins_may_be_too_old_for_tokens(tmp_path: Path, imds: str, advised: bool) -> None:
    plugin = vms(tmp_path, imds=imds).batchsubmit
    assert isinstance(plugin, VMSubmitPlugin)
    assert ("imds = optional" in plugin.policy().timeouts.advice) is advised


def test_instances_have_all_tags_from_their_launch(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, {**VMS, "batchsubmit.condorec2.tag_Name": "w"}, "MY_VMS")
    lines = commands(submission(queue, tmp_path))
    tags = {
        lines[f"ec2_parameter_{name.replace('.', '_')}"]: lines[
            f"ec2_parameter_{name.replace('.', '_').removesuffix('Key')}Value"
        ]
        for name in names(lines)
        if name.endswith(".Key")
    }
    lease_max = lines["lease_max"]
    ours = {"apf:factory": "f1", "apf:queue": "MY_VMS", "apf:vm": "$(vm)", "apf:lease-max": lease_max}
    assert tags == {"Name": "w", **ours}
    assert lease_max.isdigit()
    assert lines["ec2_parameter_TagSpecification_1_ResourceType"] == "instance"


@given(st.dictionaries(st.text("abAB:-", min_size=1, max_size=4), st.text("xy ", max_size=3), max_size=60))
def test_each_tag_gets_two_parameters(tags: dict[str, str]) -> None:
    settings = _SETTINGS[0].batchsubmit.settings
    ours = {"apf:factory": "f", "apf:queue": "q", "apf:vm": "v"}
    lines = parameter_lines(settings.model_copy(update={"tags": tags}), ours)
    assert sum(".Key" in name for name in lines[0].split(", ")) == len({**tags, **ours})
    assert len(lines) == 1 + len(lines[0].split(", "))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"ebs_volumes": "vol-1:/dev/sdf"}, "ebs_volumes needs exactly one availability_zone"),
        ({"ebs_volumes": "vol-1", "availability_zone": "a"}, "'vol-1' names no device"),
        ({"block_device_mapping": "ephemeral0"}, "'ephemeral0' names no device"),
        ({"elastic_ip": "203.0.113.7"}, "has no allocation id"),
        ({"iam_profile_arn": "arn", "iam_profile_name": "n"}, "remove one of them"),
        ({"keypair": "k", "keypair_file": "/k"}, "keypair and keypair_file exclude each other"),
        ({"gridresource": "ec2.amazonaws.com"}, "is not the URL of an EC2 endpoint"),
        ({"gridresource": "None"}, "gridresource"),
        ({"spot_price": "cheap"}, "spot_price"),
        ({"spot_price": "-1"}, "spot_price"),
        ({"parameter_Max Count": "1"}, "is not a parameter of RunInstances"),
        ({"parameter_ImageId": "ami"}, "write ami_id"),
        ({"parameter_MaxCount": "5"}, "ec2_gahp sets this parameter itself"),
        ({"parameter_TagSpecification.1.Tag.1.Key": "x"}, "by tag_<Name>"),
        ({"lease": "2d", "lease_max": "1d"}, "lease_max is shorter than lease"),
        ({"lease": "2h", "drain_before": "2h"}, "drain_before is not shorter than lease"),
        ({"condor_attributes": "x"}, "is not 'name = value'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_invalid_value_gives_one_line_with_its_key(tmp_path: Path, own: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        vms(tmp_path, **own)
    (problem,) = caught.value.problems
    assert said in str(problem)
    assert "batchsubmit.condorec2" in str(problem)
    assert "\n" not in str(problem)
    assert "pydantic" not in str(problem).lower()


SCRIPT = "#!/bin/sh\necho hello > /etc/motd\n"


def test_scripts_and_cloud_config_make_a_multipart_message(tmp_path: Path) -> None:
    layer = tmp_path / "site.yaml"
    layer.write_text("#cloud-config\npackages: [cvmfs]\nwrite_files:\n- {path: /etc/site, content: here}\n")
    script = tmp_path / "setup.sh"
    script.write_text(SCRIPT)
    queue = vms(tmp_path, user_data_files=layer, user_data_file=script, user_data="#!/bin/sh\n  date\n  id")
    (content,) = submission(queue, tmp_path).files.values()
    message = email.message_from_bytes(content)
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/mixed", "text/jinja2", "text/x-shellscript", "text/x-shellscript"]
    scripts = [part.get_payload(decode=True) for part in message.walk()][2:]
    assert scripts == [SCRIPT.encode(), b"#!/bin/sh\ndate\nid"], "inline user-data keeps its lines"
    read = userdata.parse(content, {"v1": {"instance_id": "i-1"}})
    assert {file.path for file in read.files} >= {"/etc/site", "/etc/condor/config.d/90-apf"}
    assert b'EC2InstanceID = "i-1"' in next(f.content for f in read.files if f.path.endswith("90-apf"))
    assert read.recorded["packages"] == ["cvmfs"]
    assert any("x-shellscript" in warning for warning in read.warnings)


def test_cloud_config_alone_stays_one_document(tmp_path: Path) -> None:
    queue = vms(tmp_path, user_data="#cloud-config\n  packages: [cvmfs]")
    (content,) = submission(queue, tmp_path).files.values()
    assert content.startswith(b"## template: jinja\n#cloud-config\n")
    assert userdata.parse(content, {"v1": {"instance_id": "i-1"}}).recorded["packages"] == ["cvmfs"]


def test_user_data_is_not_in_the_job_ad(tmp_path: Path) -> None:
    made = submission(vms(tmp_path, user_data="#!/bin/sh\n  echo hush"), tmp_path)
    assert "hush" not in made.description
    assert "ec2_user_data " not in made.description
    assert made.items[0]["userdata"] in made.files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "the first line must be '#cloud-config'"),
        ("#cloud-config\n[1]", "must be a mapping, not a list"),
        ("#cloud-config\n{", "not YAML"),
        ("#cloud-config\nx: '@nobody@'", "@nobody@ is unknown; known:"),
        ("#!/bin/sh\n" + "x" * 20000, "EC2 accepts 16384; make the layers smaller"),
    ],
)
def test_refuses_unusable_layers_with_a_reason(tmp_path: Path, text: str, said: str) -> None:
    layer = tmp_path / "layer"
    layer.write_text(text)
    with pytest.raises(UserDataError, match=said.replace("(", r"\(")):
        submission(vms(tmp_path, user_data_file=layer), tmp_path)


def test_submits_vms_in_one_transaction_each_with_its_own_key_and_file(tmp_path: Path) -> None:
    made = submission(vms(tmp_path, lease="1h", lease_max="2h"), tmp_path, 20)
    assert len({item["vm"] for item in made.items}) == len(made.files) == 20
    lines = commands(made)
    assert (lines["lease_end"], lines["lease_max"]) == (str(int(NOW) + 3600), str(int(NOW) + 7200))


@pytest.fixture(scope="module", autouse=True)
def _settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    _SETTINGS.append(vms(tmp_path_factory.mktemp("queue")))


_SETTINGS: list[Queue] = []


@pytest.mark.parametrize("own", ["JobStatus == 5", "isUndefined(EC2InstanceName) ? time() - QDate > 900 : false"])
@pytest.mark.parametrize("name", ["periodic_remove", "Periodic_Remove"])
def test_periodic_remove_of_the_queue_keeps_the_lease(tmp_path: Path, name: str, own: str) -> None:
    """Rule 9: every VM has an end."""
    queue = vms(tmp_path, **{f"condor_attributes.{name}": own})
    lines = [line for line in submission(queue, tmp_path).description.splitlines() if name in line]
    assert lines[-1] == f"{name} = time() > TimerRemove || time() > APFLeaseMax || ({own})"


@pytest.mark.parametrize(
    "name",
    [
        *("on_exit_remove", "universe", "grid_resource", "+GridResource", "MY.JobUniverse", "+PeriodicRemove"),
        *("leave_in_queue", "noop_job", "Noop_Job", "+IsNoopJob"),
    ],
)
def test_refuses_lines_that_disable_the_end_of_a_vm(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="be set for VM jobs"):
        vms(tmp_path, **{f"condor_attributes.{name}": "False"})


TYPED = [
    *((name, each.key) for each in COMMANDS if re.match("ec2_(?!parameter)", name := each.line[0])),
    *((f"+{name}", each.key) for each in COMMANDS if re.match("EC2(?!Param)", name := each.attribute[0])),
    ("ec2_iam_profile_name", "iam_profile_name"),
    ("my.EC2IamProfileName", "iam_profile_name"),
    ("EC2_Spot_Price", "spot_price"),
    ("+EC2SpotPrice", "spot_price"),
    ("ec2_user_data", "user_data"),
    ("ec2_user_data_file", "user_data_file"),
    ("+EC2UserDataFile", "user_data_file"),
    ("ec2_keyp_air", "keypair"),
    ("ec2_key_pair_file", "keypair_file"),
    ("aws_access_key_id_file", "access_key_id"),
    ("aws_secret_access_key_file", "secret_access_key"),
    ("ec2_tag_names", "tag_<Name>"),
    ("+EC2TagNames", "tag_<Name>"),
    ("ec2_tag_CostCentre", "tag_CostCentre"),
    ("+EC2TagCostCentre", "tag_CostCentre"),
    ("ec2_parameter_names", "parameter_<Name>"),
    ("+EC2ParamNames", "parameter_<Name>"),
    ("ec2_parameter_MetadataOptions_HttpTokens", "parameter_MetadataOptions.HttpTokens"),
    ("+EC2InstanceName", "parameter_<Name>"),
    ("ec2_vpc_id", "parameter_<Name>"),
]


@pytest.mark.parametrize(("name", "key"), TYPED, ids=str)
def test_refuses_submit_lines_that_have_a_key_of_their_own(tmp_path: Path, name: str, key: str) -> None:
    """They would lose our tags, replace user-data, or start spot VMs without tags."""
    plain = re.escape(name.removeprefix("+").removeprefix("my."))
    said = rf"condor_attributes\S*: {plain} would override .*; set (\S+) instead$"
    for own in ({f"condor_attributes.{name}": "x"}, {"condor_attributes": f"request_memory = 5, {name} = x"}):
        with pytest.raises(ConfigError) as caught:
            vms(tmp_path, **own)
        (problem,) = caught.value.problems
        found = re.search(said, str(problem))
        assert found is not None, str(problem)
        assert found[1] == f"batchsubmit.condorec2.{key}"


def test_every_ec2_submit_command_maps_to_a_key() -> None:
    """The key that an error message suggests exists; the table of commands is that of HTCondor's manual."""
    known = schema(CondorEC2.Settings)
    assert all(known.find(key) for _, key in TYPED)


def test_other_lines_are_submitted_unchanged(tmp_path: Path) -> None:
    made = submission(vms(tmp_path, condor_attributes='+Project = "EC2",job_machine_attrs = x'), tmp_path)
    assert {"+Project": '"EC2"', "job_machine_attrs": "x"}.items() <= commands(made).items()
