"""Classify the hold reason of a VM job, by the cloud's error code, its text, or HTCondor's hold codes. Pure.

The gridmanager copies the cloud's answer into HoldReason: the XML with the error code after a failed RunInstances, the
state reason after an instance ended by itself. Codes: HTCondor's hold table, EC2's list of error codes
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html), and the texts of OpenStack's Nova.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from factory.model.job_status import JobStatus
from factory.model.vm import Hold


class HoldKind(Enum):
    """The kind of fault behind a hold, in words for people."""

    CAPACITY = "no capacity"
    QUOTA = "quota reached"
    THROTTLING = "too many requests"
    ENDPOINT = "cloud error"
    AUTHENTICATION = "not authorized"
    BAD_REQUEST = "bad request"
    PARAMETER = "parameter refused"
    """The cloud does not know a parameter that the configuration of the queue sends with every launch."""
    LOCAL = "error on this host"
    LOST = "instance lost"
    TERMINATION = "termination failed"
    PURPOSE = "held on purpose"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HoldReason:
    """The classified reason of a hold."""

    kind: HoldKind
    code: str
    """The cloud's error code; otherwise the matching text, or HTCondor's codes."""


_USER, _JOB_POLICY, _SYSTEM_POLICY = 1, 3, 26

_CODES: dict[HoldKind, tuple[str, ...]] = {
    HoldKind.THROTTLING: (
        "RequestLimitExceeded", "Throttl", "RequestThrottled", "SlowDown", "TooManyRequests", "BandwidthLimitExceeded",
        "OverLimit",
    ),
    HoldKind.CAPACITY: (
        "Insufficient", "SpotMaxPriceTooLow", "SpotInstanceShutdown", "SpotInstanceTermination",
        "UnfulfillableCapacity", "ReservationCapacityExceeded", "CapacityReservation", "NoValidHost",
    ),
    HoldKind.QUOTA: (
        "InstanceLimitExceeded", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "MaxIOPSLimitExceeded",
        "ResourceCountExceeded", "ResourceLimitExceeded", "VolumeLimitExceeded", "TooManyInstances", "QuotaError",
        "Quota", "CreditSpecificationLimitExceeded",
    ),
    HoldKind.AUTHENTICATION: (
        "AuthFailure", "Unauthorized", "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch",
        "IncompleteSignature", "ExpiredToken", "RequestExpired", "MissingAuthenticationToken", "OptInRequired",
        "Blocked", "PendingVerification", "AccessDenied", "NotAuthorized", "Forbidden", "InvalidUserID",
    ),
    HoldKind.ENDPOINT: (
        "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "HTTPInternalServerError",
        "RequestTimeout",
    ),
    HoldKind.BAD_REQUEST: (
        "Invalid", "Unsupported", "Missing", "Malformed", "Unknown", "IdempotentParameterMismatch", "VPCIdNotSpecified",
        "ParameterNotFound", "InstanceTypeNotSupported", "ImageNotFound", "ImageNotActive", "FlavorNotFound",
        "KeypairNotFound", "SecurityGroupNotFound", "NetworkNotFound", "NotExportable", "OperationNotPermitted",
        "DryRunOperation", "NonEBSInstance",
    ),
}  # fmt: skip
"""Prefixes of error codes; the longest matching prefix decides."""

_TEXTS: tuple[tuple[str, HoldKind], ...] = (
    (r"no valid host was found|not enough hosts available|insufficient capacity", HoldKind.CAPACITY),
    (r"quota exceeded|exceeded .*quota|quota has been|too many instances", HoldKind.QUOTA),
    (r"rate exceeded|too many requests|HTTP_RESPONSE_NOT_200 \((429)\)", HoldKind.THROTTLING),
    (r"(access|secret) ?key|HTTP_RESPONSE_NOT_200 \((401|403)\)|not authorized", HoldKind.AUTHENTICATION),
    (r"failed to start gahp|ec2_gahp not|E_FILE_IO|unable to read", HoldKind.LOCAL),
    (r"image .* (could not be found|not found)|flavor .* (could not be found|not found)", HoldKind.BAD_REQUEST),
    (r"HTTP_RESPONSE_NOT_200 \(5\d\d\)|E_CURL_IO|timed? ?out|connection|resolve host", HoldKind.ENDPOINT),
)
"""Patterns in texts without an error code; the first match decides."""

_SUBCODES = {
    **dict.fromkeys((1, 2, 4, 10), HoldKind.BAD_REQUEST),
    6: HoldKind.LOCAL,
    9: HoldKind.AUTHENTICATION,
    **dict.fromkeys((13, 14, 19, 20, 21), HoldKind.LOST),
    22: HoldKind.ENDPOINT,
}
"""Subcodes of the gridmanager, for texts without an error code or known pattern."""

_METADATA = "MetadataOptions"
"""Begins the names of the parameters that ``imds`` sends."""
_XML_CODE = re.compile(r"<Code>\s*([A-Za-z0-9._-]+)\s*</Code>")
_WORD = re.compile(r"\b(?:(?:Client|Server)\.)?[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*\b")
_MESSAGE = re.compile(r"<Message>\s*(.*?)\s*</Message>", re.DOTALL)


def classify(hold: Hold) -> HoldReason:
    """Return the kind and code of a hold; a code of the cloud is more specific than one of HTCondor."""
    if hold.status_on_release == JobStatus.REMOVED:
        return HoldReason(HoldKind.TERMINATION, f"{hold.code}/{hold.subcode}")
    if hold.code == _USER:
        return HoldReason(HoldKind.PURPOSE, "by a person")
    if hold.code in (_JOB_POLICY, _SYSTEM_POLICY):
        return HoldReason(HoldKind.PURPOSE, "by a policy")
    if hold.code == 42 and hold.subcode != 19:
        return HoldReason(HoldKind.TERMINATION, f"42/{hold.subcode}")
    reason = _by_code(hold.reason) or _by_text(hold.reason)
    if reason is not None and reason.kind is HoldKind.BAD_REQUEST and _METADATA in hold.reason:
        return HoldReason(HoldKind.PARAMETER, reason.code)
    if reason is not None:
        return reason
    kind = _SUBCODES.get(hold.subcode, HoldKind.UNKNOWN) if 37 <= hold.code <= 42 else HoldKind.UNKNOWN
    return HoldReason(kind, f"{hold.code}/{hold.subcode}")


def short_text(hold: Hold) -> str:
    """Return the cloud's message without its XML, in one line of at most 200 characters."""
    message = _MESSAGE.search(hold.reason)
    text = message.group(1) if message else hold.reason
    advice = "; set batchsubmit.condorec2.imds = as-is" if _METADATA in text else ""
    return " ".join(text.split())[:200] + advice


def _by_code(reason: str) -> HoldReason | None:
    xml = _XML_CODE.search(reason)
    if xml is not None:
        return _classify_code(xml.group(1))
    # Without XML a word counts only if it can't be an ordinary one.
    words = (word for word in _WORD.findall(reason) if "." in word or sum(c.isupper() for c in word) > 1)
    return next((known for word in words if (known := _classify_code(word)) is not None), None)


def _classify_code(code: str) -> HoldReason | None:
    bare = code.removeprefix("Client.").removeprefix("Server.")
    matches = [(len(prefix), kind) for kind, prefixes in _CODES.items() for prefix in prefixes
               if bare.startswith(prefix)]  # fmt: skip
    if not matches and bare.endswith("LimitExceeded"):
        return HoldReason(HoldKind.QUOTA, code)
    if not matches and bare.endswith((".NotFound", "NotFound")):
        return HoldReason(HoldKind.BAD_REQUEST, code)
    return HoldReason(max(matches, key=lambda match: match[0])[1], code) if matches else None


def _by_text(reason: str) -> HoldReason | None:
    for pattern, kind in _TEXTS:
        match = re.search(pattern, reason, re.IGNORECASE)
        if match:
            return HoldReason(kind, match.group(0)[:60])
    return None
