"""Classification of holds by real texts, and the action for each."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.health.hold_reasons import HoldKind, classify, short_text
from factory.lifecycle.held_jobs import HeldJob
from factory.model.actions import Release, Remove, Retire
from factory.model.vm import Hold, VMState
from tests.rig.vms import NOW, vm


def xml(code: str, message: str, status: int = 400) -> str:
    """As ec2_gahp passes on what the cloud answered."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"E_HTTP_RESPONSE_NOT_200 ({status}): {head}<Response><Errors>{body}</Errors></Response>"


RUN = [
    (
        "InsufficientInstanceCapacity",
        "We currently do not have sufficient m5.large capacity in the zone",
        HoldKind.CAPACITY,
    ),
    ("InsufficientHostCapacity", "There is not enough capacity to fulfill your request.", HoldKind.CAPACITY),
    ("InsufficientFreeAddressesInSubnet", "There are not enough free addresses in subnet.", HoldKind.CAPACITY),
    ("SpotMaxPriceTooLow", "Your Spot request price of 0.01 is lower than the minimum", HoldKind.CAPACITY),
    ("InstanceLimitExceeded", "You have requested more instances (21) than your current limit", HoldKind.QUOTA),
    ("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of 32", HoldKind.QUOTA),
    ("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded", HoldKind.QUOTA),
    ("VolumeLimitExceeded", "You have exceeded the maximum gp2 storage limit", HoldKind.QUOTA),
    ("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached.", HoldKind.QUOTA),
    ("RequestLimitExceeded", "Request limit exceeded.", HoldKind.THROTTLING),
    ("Throttling", "Rate exceeded", HoldKind.THROTTLING),
    ("ThrottlingException", "Rate exceeded", HoldKind.THROTTLING),
    ("AuthFailure", "AWS was not able to validate the provided access credentials", HoldKind.AUTHENTICATION),
    ("UnauthorizedOperation", "You are not authorized to perform this operation.", HoldKind.AUTHENTICATION),
    ("SignatureDoesNotMatch", "The request signature we calculated does not match", HoldKind.AUTHENTICATION),
    ("RequestExpired", "Request has expired.", HoldKind.AUTHENTICATION),
    ("InvalidClientTokenId", "The security token included in the request is invalid.", HoldKind.AUTHENTICATION),
    ("OptInRequired", "You are not subscribed to this service.", HoldKind.AUTHENTICATION),
    ("PendingVerification", "Your account is currently being verified.", HoldKind.AUTHENTICATION),
    ("InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist", HoldKind.BAD_REQUEST),
    ("InvalidAMIID.Malformed", 'Invalid id: "ami"', HoldKind.BAD_REQUEST),
    ("InvalidAMIID.Unavailable", "The image is not available", HoldKind.BAD_REQUEST),
    ("InvalidParameterValue", "Invalid value for instanceType", HoldKind.BAD_REQUEST),
    ("InvalidParameterCombination", "The parameter is not valid with", HoldKind.BAD_REQUEST),
    ("InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist", HoldKind.BAD_REQUEST),
    ("InvalidGroup.NotFound", "The security group 'x' does not exist", HoldKind.BAD_REQUEST),
    ("InvalidKeyPair.NotFound", "The key pair 'x' does not exist", HoldKind.BAD_REQUEST),
    ("MissingParameter", "The request must contain the parameter ImageId", HoldKind.BAD_REQUEST),
    ("Unsupported", "Your requested instance type is not supported in your requested zone", HoldKind.BAD_REQUEST),
    ("UnsupportedOperation", "The operation is not supported", HoldKind.BAD_REQUEST),
    ("IdempotentParameterMismatch", "The client token is used with other parameters", HoldKind.BAD_REQUEST),
    ("VPCIdNotSpecified", "No default VPC for this user", HoldKind.BAD_REQUEST),
    ("InternalError", "An internal error has occurred", HoldKind.ENDPOINT),
    ("Unavailable", "The service is unavailable. Please try again shortly.", HoldKind.ENDPOINT),
    ("ServiceUnavailable", "Service Unavailable", HoldKind.ENDPOINT),
    # OpenStack's words
    ("InstanceLimitExceeded", "Quota exceeded for instances: Requested 1, but already used 10 of 10", HoldKind.QUOTA),
    ("TooManyInstances", "Quota exceeded for cores: Requested 4, but already used 20 of 20 cores", HoldKind.QUOTA),
    ("QuotaError", "Quota exceeded: code=InstanceLimitExceeded", HoldKind.QUOTA),
    ("NoValidHost", "No valid host was found. There are not enough hosts available.", HoldKind.CAPACITY),
    ("ImageNotFound", "Image 1234 could not be found.", HoldKind.BAD_REQUEST),
    ("FlavorNotFound", "Flavor m1.huge could not be found.", HoldKind.BAD_REQUEST),
    ("HTTPInternalServerError", "The server has either erred", HoldKind.ENDPOINT),
]


@pytest.mark.parametrize(("code", "message", "kind"), RUN)
def test_classifies_error_codes_of_the_cloud(code: str, message: str, kind: HoldKind) -> None:
    reason = classify(Hold(40, 12, xml(code, message)))
    assert (reason.kind, reason.code) == (kind, code)
    assert short_text(Hold(40, 12, xml(code, message))) == message


OTHER = [
    (Hold(37, 9, "Failed to authenticate using access keys"), HoldKind.AUTHENTICATION),
    (Hold(37, 9, ""), HoldKind.AUTHENTICATION),
    (Hold(37, 1, "EC2AccessKeyId not defined"), HoldKind.AUTHENTICATION),
    (Hold(37, 4, "Bad EC2 URL"), HoldKind.BAD_REQUEST),
    (Hold(37, 20, "Spot request cancelled"), HoldKind.LOST),
    (Hold(39, 6, "EC2_GAHP not defined"), HoldKind.LOCAL),
    (Hold(0, 0, "Failed to start GAHP"), HoldKind.LOCAL),
    (Hold(40, 12, "E_FILE_IO: Unable to read from accesskey file /x"), HoldKind.AUTHENTICATION),
    (Hold(40, 12, "E_CURL_IO: curl_easy_perform() failed (7): 'Couldn't connect to server'."), HoldKind.ENDPOINT),
    (Hold(40, 12, "GAHP command timed out"), HoldKind.ENDPOINT),
    (Hold(40, 12, "E_HTTP_RESPONSE_NOT_200 (503): <html>busy</html>"), HoldKind.ENDPOINT),
    (Hold(40, 12, "E_HTTP_RESPONSE_NOT_200 (403): <html>no</html>"), HoldKind.AUTHENTICATION),
    (Hold(40, 12, "E_HTTP_RESPONSE_NOT_200 (429): slow down"), HoldKind.THROTTLING),
    (Hold(40, 11, "something"), HoldKind.UNKNOWN),
    (Hold(41, 13, "Abnormal instance termination: Server.InsufficientInstanceCapacity."), HoldKind.CAPACITY),
    (Hold(41, 13, "Abnormal instance termination: Client.VolumeLimitExceeded."), HoldKind.QUOTA),
    (Hold(41, 13, "Abnormal instance termination: Server.InternalError."), HoldKind.ENDPOINT),
    (Hold(41, 14, "Unrecognized reason for instance termination: Server.ScheduledStop."), HoldKind.LOST),
    (Hold(41, 14, "Unrecognized reason for instance termination: Server.SpotInstanceShutdown."), HoldKind.CAPACITY),
    (Hold(41, 22, "Resource was down for too long."), HoldKind.ENDPOINT),
    (Hold(42, 15, xml("InternalError", "x", 500)), HoldKind.TERMINATION),
    (Hold(42, 16, "", status_on_release=3), HoldKind.TERMINATION),
    (Hold(42, 19, "purged twice"), HoldKind.LOST),
    (Hold(1, 0, "via condor_hold (by user ann)"), HoldKind.PURPOSE),
    (Hold(3, 0, "The job attribute PeriodicHold expression evaluated to TRUE"), HoldKind.PURPOSE),
    (Hold(26, 0, "SYSTEM_PERIODIC_HOLD"), HoldKind.PURPOSE),
    (Hold(34, 0, "memory"), HoldKind.UNKNOWN),
]


@pytest.mark.parametrize("code", ["UnknownParameter", "InvalidParameterCombination", "Unsupported"])
def test_parameter_of_the_metadata_service_is_no_fault_of_the_shape(code: str) -> None:
    hold = Hold(40, 12, xml(code, "The parameter MetadataOptions.HttpTokens is not recognized"))
    assert classify(hold).kind is HoldKind.PARAMETER
    assert short_text(hold).endswith("not recognized; set batchsubmit.condorec2.imds = as-is")
    assert classify(Hold(40, 12, xml("AuthFailure", "MetadataOptions"))).kind is HoldKind.AUTHENTICATION


@pytest.mark.parametrize(("hold", "kind"), OTHER)
def test_classifies_hold_codes_and_plain_texts(hold: Hold, kind: HoldKind) -> None:
    assert classify(hold).kind is kind


holds = st.builds(
    Hold,
    st.integers(-1, 50),
    st.integers(-1, 30),
    st.text() | st.sampled_from([xml(code, message) for code, message, _ in RUN]),
    st.sampled_from([None, 1, 2, 3]),
)


@given(holds, st.sampled_from([None, "i-1"]), st.sampled_from([None, "running", "pending", "terminated", "stopped"]))
def test_no_hold_ends_a_running_instance_or_a_hold_on_purpose(
    hold: Hold, instance: str | None, grid_status: str | None
) -> None:
    """Rule 5."""
    held = HeldJob(
        vm("vm1", VMState.HELD, hold=hold, instance=instance, grid_status=grid_status, entered_status=NOW - 9000)
    )
    action = held.action(0, 60, "drain", NOW)
    kind = classify(hold).kind
    if isinstance(action, Remove):
        assert instance is None or grid_status in {"terminated", "stopped"}
        assert "JobStatus == 5" in action.still
    if kind is HoldKind.PURPOSE:
        assert action is None
        assert held.fault is None
    elif hold.status_on_release == 3:
        assert isinstance(action, Release)
    else:
        assert action is not None, "held jobs do not pile up"
    if held.fault is not None:
        assert held.fault.text
    assert "\n" not in short_text(hold)


def test_releases_a_live_instance_soon_then_every_ten_minutes() -> None:
    held = HeldJob(vm("vm1", VMState.HELD, hold=Hold(41, 14, "odd"), grid_status="running", entered_status=NOW - 61))
    assert isinstance(held.action(0, 60, "drain", NOW), Release)
    assert isinstance(held.action(NOW - 600, 60, "drain", NOW), Release)
    assert held.action(NOW - 599, 60, "drain", NOW) is None, "it was held again"
    fresh = HeldJob(vm("vm1", VMState.HELD, hold=Hold(41, 14, "odd"), grid_status="running", entered_status=NOW - 59))
    assert fresh.action(0, 60, "drain", NOW) is None


def test_removes_a_not_found_instance_only_without_ads_in_the_pool() -> None:
    """Rule 5: absence is not proof; a cloud may not show yet an instance that it has just started."""
    for word, absent in (("not-found", True), ("terminated", False)):
        held = vm("vm1", VMState.HELD, job_status=5, hold=Hold(41, 14, "gone"), grid_status=word)
        action = HeldJob(held).action(0, 60, "drain", NOW)
        assert isinstance(action, Remove)
        assert action.absent is absent


TERMINATION = Hold(42, 15, "termination failed", status_on_release=3)


def test_retries_a_termination_only_without_ads_in_the_pool() -> None:
    """Rule 5: the VM may have joined since, and may run a job."""
    there: dict[str, Any] = {
        "job_status": 5,
        "hold": TERMINATION,
        "startd": "vm1",
        "slots": ("slot1@vm1",),
        "claims": 1,
    }
    known = vm("vm1", VMState.HELD, **there)
    retirement = HeldJob(known).action(0, 60, "drain", NOW)
    assert isinstance(retirement, Retire)
    assert (retirement.method, retirement.repeat) == ("drain", False)
    assert HeldJob(replace(known, retire_seen=True)).action(0, 60, "drain", NOW) is None, "its job runs on"
    again = HeldJob(replace(known, retire_time=NOW - 100)).action(0, 60, "drain", NOW)
    assert isinstance(again, Retire)
    assert again.repeat
    assert HeldJob(known).action(NOW - 59, 60, "drain", NOW) is None
    release = HeldJob(replace(known, startd=None, slots=(), claims=0)).action(0, 60, "drain", NOW)
    assert isinstance(release, Release)
    assert release.ends, "schedds and collector are queried again"
    over = HeldJob(replace(known, lease_end=NOW - 1, retire_seen=True)).action(0, 60, "drain", NOW)
    assert isinstance(over, Release), "the hard end that the administrator asked for"
    assert not over.ends


def test_releases_a_held_job_without_instance_whose_startd_joined() -> None:
    """The gridmanager repeats the launch with the same client token, and the cloud returns the existing instance."""
    hold = Hold(40, 12, "Error from GAHP: timed out")
    known = vm("vm1", VMState.HELD, job_status=5, instance=None, hold=hold, entered_status=NOW - 900)
    assert isinstance(HeldJob(known).action(0, 60, "drain", NOW), Remove)
    there = replace(known, startd="vm1", slots=("slot1@vm1",), claims=1)
    release = HeldJob(there).action(0, 60, "drain", NOW)
    assert isinstance(release, Release)
    assert not release.ends
