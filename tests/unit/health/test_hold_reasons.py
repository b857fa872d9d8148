"""What a hold means, by real texts; and what is done about it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.health.hold_reasons import Kind, meaning, said
from factory.lifecycle.held_jobs import Held
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
        Kind.CAPACITY,
    ),
    ("InsufficientHostCapacity", "There is not enough capacity to fulfill your request.", Kind.CAPACITY),
    ("InsufficientFreeAddressesInSubnet", "There are not enough free addresses in subnet.", Kind.CAPACITY),
    ("SpotMaxPriceTooLow", "Your Spot request price of 0.01 is lower than the minimum", Kind.CAPACITY),
    ("InstanceLimitExceeded", "You have requested more instances (21) than your current limit", Kind.QUOTA),
    ("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of 32", Kind.QUOTA),
    ("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded", Kind.QUOTA),
    ("VolumeLimitExceeded", "You have exceeded the maximum gp2 storage limit", Kind.QUOTA),
    ("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached.", Kind.QUOTA),
    ("RequestLimitExceeded", "Request limit exceeded.", Kind.THROTTLING),
    ("Throttling", "Rate exceeded", Kind.THROTTLING),
    ("ThrottlingException", "Rate exceeded", Kind.THROTTLING),
    ("AuthFailure", "AWS was not able to validate the provided access credentials", Kind.AUTHENTICATION),
    ("UnauthorizedOperation", "You are not authorized to perform this operation.", Kind.AUTHENTICATION),
    ("SignatureDoesNotMatch", "The request signature we calculated does not match", Kind.AUTHENTICATION),
    ("RequestExpired", "Request has expired.", Kind.AUTHENTICATION),
    ("InvalidClientTokenId", "The security token included in the request is invalid.", Kind.AUTHENTICATION),
    ("OptInRequired", "You are not subscribed to this service.", Kind.AUTHENTICATION),
    ("PendingVerification", "Your account is currently being verified.", Kind.AUTHENTICATION),
    ("InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist", Kind.BAD_REQUEST),
    ("InvalidAMIID.Malformed", 'Invalid id: "ami"', Kind.BAD_REQUEST),
    ("InvalidAMIID.Unavailable", "The image is not available", Kind.BAD_REQUEST),
    ("InvalidParameterValue", "Invalid value for instanceType", Kind.BAD_REQUEST),
    ("InvalidParameterCombination", "The parameter is not valid with", Kind.BAD_REQUEST),
    ("InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist", Kind.BAD_REQUEST),
    ("InvalidGroup.NotFound", "The security group 'x' does not exist", Kind.BAD_REQUEST),
    ("InvalidKeyPair.NotFound", "The key pair 'x' does not exist", Kind.BAD_REQUEST),
    ("MissingParameter", "The request must contain the parameter ImageId", Kind.BAD_REQUEST),
    ("Unsupported", "Your requested instance type is not supported in your requested zone", Kind.BAD_REQUEST),
    ("UnsupportedOperation", "The operation is not supported", Kind.BAD_REQUEST),
    ("IdempotentParameterMismatch", "The client token is used with other parameters", Kind.BAD_REQUEST),
    ("VPCIdNotSpecified", "No default VPC for this user", Kind.BAD_REQUEST),
    ("InternalError", "An internal error has occurred", Kind.ENDPOINT),
    ("Unavailable", "The service is unavailable. Please try again shortly.", Kind.ENDPOINT),
    ("ServiceUnavailable", "Service Unavailable", Kind.ENDPOINT),
    # OpenStack's words
    ("InstanceLimitExceeded", "Quota exceeded for instances: Requested 1, but already used 10 of 10", Kind.QUOTA),
    ("TooManyInstances", "Quota exceeded for cores: Requested 4, but already used 20 of 20 cores", Kind.QUOTA),
    ("QuotaError", "Quota exceeded: code=InstanceLimitExceeded", Kind.QUOTA),
    ("NoValidHost", "No valid host was found. There are not enough hosts available.", Kind.CAPACITY),
    ("ImageNotFound", "Image 1234 could not be found.", Kind.BAD_REQUEST),
    ("FlavorNotFound", "Flavor m1.huge could not be found.", Kind.BAD_REQUEST),
    ("HTTPInternalServerError", "The server has either erred", Kind.ENDPOINT),
]


@pytest.mark.parametrize(("code", "message", "kind"), RUN)
def test_an_error_code_of_the_cloud_tells_what_is_wrong(code: str, message: str, kind: Kind) -> None:
    found = meaning(Hold(40, 12, xml(code, message)))
    assert (found.kind, found.code) == (kind, code)
    assert said(Hold(40, 12, xml(code, message))) == message


OTHER = [
    (Hold(37, 9, "Failed to authenticate using access keys"), Kind.AUTHENTICATION),
    (Hold(37, 9, ""), Kind.AUTHENTICATION),
    (Hold(37, 1, "EC2AccessKeyId not defined"), Kind.AUTHENTICATION),
    (Hold(37, 4, "Bad EC2 URL"), Kind.BAD_REQUEST),
    (Hold(37, 20, "Spot request cancelled"), Kind.LOST),
    (Hold(39, 6, "EC2_GAHP not defined"), Kind.LOCAL),
    (Hold(0, 0, "Failed to start GAHP"), Kind.LOCAL),
    (Hold(40, 12, "E_FILE_IO: Unable to read from accesskey file /x"), Kind.AUTHENTICATION),
    (Hold(40, 12, "E_CURL_IO: curl_easy_perform() failed (7): 'Couldn't connect to server'."), Kind.ENDPOINT),
    (Hold(40, 12, "GAHP command timed out"), Kind.ENDPOINT),
    (Hold(40, 12, "E_HTTP_RESPONSE_NOT_200 (503): <html>busy</html>"), Kind.ENDPOINT),
    (Hold(40, 12, "E_HTTP_RESPONSE_NOT_200 (403): <html>no</html>"), Kind.AUTHENTICATION),
    (Hold(40, 12, "E_HTTP_RESPONSE_NOT_200 (429): slow down"), Kind.THROTTLING),
    (Hold(40, 11, "something"), Kind.UNKNOWN),
    (Hold(41, 13, "Abnormal instance termination: Server.InsufficientInstanceCapacity."), Kind.CAPACITY),
    (Hold(41, 13, "Abnormal instance termination: Client.VolumeLimitExceeded."), Kind.QUOTA),
    (Hold(41, 13, "Abnormal instance termination: Server.InternalError."), Kind.ENDPOINT),
    (Hold(41, 14, "Unrecognized reason for instance termination: Server.ScheduledStop."), Kind.LOST),
    (Hold(41, 14, "Unrecognized reason for instance termination: Server.SpotInstanceShutdown."), Kind.CAPACITY),
    (Hold(41, 22, "Resource was down for too long."), Kind.ENDPOINT),
    (Hold(42, 15, xml("InternalError", "x", 500)), Kind.TERMINATION),
    (Hold(42, 16, "", status_on_release=3), Kind.TERMINATION),
    (Hold(42, 19, "purged twice"), Kind.LOST),
    (Hold(1, 0, "via condor_hold (by user ann)"), Kind.PURPOSE),
    (Hold(3, 0, "The job attribute PeriodicHold expression evaluated to TRUE"), Kind.PURPOSE),
    (Hold(26, 0, "SYSTEM_PERIODIC_HOLD"), Kind.PURPOSE),
    (Hold(34, 0, "memory"), Kind.UNKNOWN),
]


@pytest.mark.parametrize(("hold", "kind"), OTHER)
def test_what_htcondor_and_plain_texts_say(hold: Hold, kind: Kind) -> None:
    assert meaning(hold).kind is kind


holds = st.builds(
    Hold,
    st.integers(-1, 50),
    st.integers(-1, 30),
    st.text() | st.sampled_from([xml(code, message) for code, message, _ in RUN]),
    st.sampled_from([None, 1, 2, 3]),
)


@given(holds, st.sampled_from([None, "i-1"]), st.sampled_from([None, "running", "pending", "terminated", "stopped"]))
def test_whatever_the_hold_no_instance_that_may_run_is_ended_and_no_persons_hold_is_touched(
    hold: Hold, instance: str | None, grid_status: str | None
) -> None:
    """Rule 5."""
    held = Held(
        vm("vm1", VMState.HELD, hold=hold, instance=instance, grid_status=grid_status, entered_status=NOW - 9000)
    )
    action = held.action(0, 60, "drain", NOW)
    kind = meaning(hold).kind
    if isinstance(action, Remove):
        assert instance is None or grid_status in {"terminated", "stopped"}
        assert "JobStatus == 5" in action.still
    if kind is Kind.PURPOSE:
        assert action is None
        assert held.fault is None
    elif hold.status_on_release == 3:
        assert isinstance(action, Release)
    else:
        assert action is not None, "held jobs do not pile up"
    if held.fault is not None:
        assert held.fault.text
    assert "\n" not in said(hold)


def test_an_instance_that_may_live_is_looked_at_again_soon_and_then_only_now_and_then() -> None:
    held = Held(vm("vm1", VMState.HELD, hold=Hold(41, 14, "odd"), grid_status="running", entered_status=NOW - 61))
    assert isinstance(held.action(0, 60, "drain", NOW), Release)
    assert isinstance(held.action(NOW - 600, 60, "drain", NOW), Release)
    assert held.action(NOW - 599, 60, "drain", NOW) is None, "it was held again"
    fresh = Held(vm("vm1", VMState.HELD, hold=Hold(41, 14, "odd"), grid_status="running", entered_status=NOW - 59))
    assert fresh.action(0, 60, "drain", NOW) is None


def test_an_instance_that_is_not_found_is_ended_only_if_the_pool_does_not_show_it_either() -> None:
    """Rule 5: absence is not proof, and a cloud may not show yet what it has just started."""
    for word, absent in (("not-found", True), ("terminated", False)):
        held = vm("vm1", VMState.HELD, job_status=5, hold=Hold(41, 14, "gone"), grid_status=word)
        action = Held(held).action(0, 60, "drain", NOW)
        assert isinstance(action, Remove)
        assert action.absent is absent


TERMINATION = Hold(42, 15, "termination failed", status_on_release=3)


def test_a_termination_is_tried_again_only_when_nothing_of_the_machine_is_in_the_pool() -> None:
    """Rule 5: it may have joined since, and taken a job."""
    there: dict[str, Any] = {
        "job_status": 5,
        "hold": TERMINATION,
        "startd": "vm1",
        "slots": ("slot1@vm1",),
        "claims": 1,
    }
    known = vm("vm1", VMState.HELD, **there)
    retirement = Held(known).action(0, 60, "drain", NOW)
    assert isinstance(retirement, Retire)
    assert (retirement.method, retirement.repeat) == ("drain", False)
    assert Held(replace(known, retire_seen=True)).action(0, 60, "drain", NOW) is None, "its job ends in peace"
    again = Held(replace(known, retire_time=NOW - 100)).action(0, 60, "drain", NOW)
    assert isinstance(again, Retire)
    assert again.repeat
    assert Held(known).action(NOW - 59, 60, "drain", NOW) is None
    release = Held(replace(known, startd=None, slots=(), claims=0)).action(0, 60, "drain", NOW)
    assert isinstance(release, Release)
    assert release.ends, "the schedds and the collector are asked again"
    over = Held(replace(known, lease_end=NOW - 1, retire_seen=True)).action(0, 60, "drain", NOW)
    assert isinstance(over, Release), "the hard end that the administrator asked for"
    assert not over.ends


def test_a_job_held_without_an_instance_whose_machine_is_in_the_pool_is_released_and_not_removed() -> None:
    """The launch is asked for again with the same client token, and the cloud answers with the instance there is."""
    hold = Hold(40, 12, "Error from GAHP: timed out")
    known = vm("vm1", VMState.HELD, job_status=5, instance=None, hold=hold, entered_status=NOW - 900)
    assert isinstance(Held(known).action(0, 60, "drain", NOW), Remove)
    there = replace(known, startd="vm1", slots=("slot1@vm1",), claims=1)
    release = Held(there).action(0, 60, "drain", NOW)
    assert isinstance(release, Release)
    assert not release.ends
