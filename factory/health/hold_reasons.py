"""What a hold of a VM job means: from HTCondor's codes and the cloud's own words to one of a few kinds. Pure.

The gridmanager puts what the cloud answered into HoldReason: after a failed RunInstances the XML with its error code,
after an instance that ended by itself its state reason. Codes: HTCondor's hold table, EC2's list of error codes
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html), and the texts of OpenStack's Nova.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from factory.model.job_status import JobStatus
from factory.model.vm import Hold


class HoldKind(Enum):
    """What is wrong, in words for people."""

    CAPACITY = "no capacity"
    QUOTA = "quota reached"
    THROTTLING = "too many requests"
    ENDPOINT = "the cloud fails"
    AUTHENTICATION = "not authorized"
    BAD_REQUEST = "bad request"
    LOCAL = "this host"
    LOST = "instance lost"
    TERMINATION = "termination failed"
    PURPOSE = "held on purpose"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HoldReason:
    """What a hold means."""

    kind: HoldKind
    code: str
    """The cloud's error code, or what else told."""


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
"""Beginnings of error codes; the longest that fits decides."""

_TEXTS: tuple[tuple[str, HoldKind], ...] = (
    (r"no valid host was found|not enough hosts available|insufficient capacity", HoldKind.CAPACITY),
    (r"quota exceeded|exceeded .*quota|quota has been|too many instances", HoldKind.QUOTA),
    (r"rate exceeded|too many requests|HTTP_RESPONSE_NOT_200 \((429)\)", HoldKind.THROTTLING),
    (r"(access|secret) ?key|HTTP_RESPONSE_NOT_200 \((401|403)\)|not authorized", HoldKind.AUTHENTICATION),
    (r"failed to start gahp|ec2_gahp not|E_FILE_IO|unable to read", HoldKind.LOCAL),
    (r"image .* (could not be found|not found)|flavor .* (could not be found|not found)", HoldKind.BAD_REQUEST),
    (r"HTTP_RESPONSE_NOT_200 \(5\d\d\)|E_CURL_IO|timed? ?out|connection|resolve host", HoldKind.ENDPOINT),
)
"""What else a text may say, in this order."""

_SUBCODES = {
    **dict.fromkeys((1, 2, 4, 10), HoldKind.BAD_REQUEST),
    6: HoldKind.LOCAL,
    9: HoldKind.AUTHENTICATION,
    **dict.fromkeys((13, 14, 19, 20, 21), HoldKind.LOST),
    22: HoldKind.ENDPOINT,
}
"""What the gridmanager's own subcodes say, where the text says nothing better."""

_XML_CODE = re.compile(r"<Code>\s*([A-Za-z0-9._-]+)\s*</Code>")
_WORD = re.compile(r"\b(?:(?:Client|Server)\.)?[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*\b")
_SAID = re.compile(r"<Message>\s*(.*?)\s*</Message>", re.DOTALL)


def classify(hold: Hold) -> HoldReason:
    """What a hold means; a code of the cloud tells more than one of HTCondor."""
    if hold.status_on_release == JobStatus.REMOVED:
        return HoldReason(HoldKind.TERMINATION, f"{hold.code}/{hold.subcode}")
    if hold.code == _USER:
        return HoldReason(HoldKind.PURPOSE, "by a person")
    if hold.code in (_JOB_POLICY, _SYSTEM_POLICY):
        return HoldReason(HoldKind.PURPOSE, "by a policy")
    if hold.code == 42 and hold.subcode != 19:
        return HoldReason(HoldKind.TERMINATION, f"42/{hold.subcode}")
    told = _by_code(hold.reason) or _by_text(hold.reason)
    if told is not None:
        return told
    kind = _SUBCODES.get(hold.subcode, HoldKind.UNKNOWN) if 37 <= hold.code <= 42 else HoldKind.UNKNOWN
    return HoldReason(kind, f"{hold.code}/{hold.subcode}")


def short_text(hold: Hold) -> str:
    """What the cloud said, without its XML, in one line of at most 200 characters."""
    message = _SAID.search(hold.reason)
    text = message.group(1) if message else hold.reason
    return " ".join(text.split())[:200]


def _by_code(reason: str) -> HoldReason | None:
    xml = _XML_CODE.search(reason)
    if xml is not None:
        return _of_code(xml.group(1))
    # Without XML a word counts only if it can't be an ordinary one.
    words = (word for word in _WORD.findall(reason) if "." in word or sum(c.isupper() for c in word) > 1)
    return next((found for word in words if (found := _of_code(word)) is not None), None)


def _of_code(code: str) -> HoldReason | None:
    bare = code.removeprefix("Client.").removeprefix("Server.")
    fits = [(len(start), kind) for kind, starts in _CODES.items() for start in starts if bare.startswith(start)]
    if not fits and bare.endswith("LimitExceeded"):
        return HoldReason(HoldKind.QUOTA, code)
    if not fits and bare.endswith((".NotFound", "NotFound")):
        return HoldReason(HoldKind.BAD_REQUEST, code)
    return HoldReason(max(fits, key=lambda fit: fit[0])[1], code) if fits else None


def _by_text(reason: str) -> HoldReason | None:
    for pattern, kind in _TEXTS:
        found = re.search(pattern, reason, re.IGNORECASE)
        if found:
            return HoldReason(kind, found.group(0)[:60])
    return None
