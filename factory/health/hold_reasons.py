"""What a hold of a VM job means: from HTCondor's codes and the cloud's own words to one of a few kinds. Pure.

The gridmanager puts what the cloud answered into HoldReason: after a failed RunInstances the XML with its error code,
after an instance that ended by itself its state reason. Codes: HTCondor's hold table, EC2's list of error codes
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html), and the texts of OpenStack's Nova.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from factory.model.vm import Hold


class Kind(Enum):
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
class Meaning:
    """What a hold means."""

    kind: Kind
    code: str
    """The cloud's error code, or what else told."""


_REMOVED = 3
_USER, _JOB_POLICY, _SYSTEM_POLICY = 1, 3, 26

_CODES: dict[Kind, tuple[str, ...]] = {
    Kind.THROTTLING: (
        "RequestLimitExceeded", "Throttl", "RequestThrottled", "SlowDown", "TooManyRequests", "BandwidthLimitExceeded",
        "OverLimit",
    ),
    Kind.CAPACITY: (
        "Insufficient", "SpotMaxPriceTooLow", "SpotInstanceShutdown", "SpotInstanceTermination",
        "UnfulfillableCapacity", "ReservationCapacityExceeded", "CapacityReservation", "NoValidHost",
    ),
    Kind.QUOTA: (
        "InstanceLimitExceeded", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "MaxIOPSLimitExceeded",
        "ResourceCountExceeded", "ResourceLimitExceeded", "VolumeLimitExceeded", "TooManyInstances", "QuotaError",
        "Quota", "CreditSpecificationLimitExceeded",
    ),
    Kind.AUTHENTICATION: (
        "AuthFailure", "Unauthorized", "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch",
        "IncompleteSignature", "ExpiredToken", "RequestExpired", "MissingAuthenticationToken", "OptInRequired",
        "Blocked", "PendingVerification", "AccessDenied", "NotAuthorized", "Forbidden", "InvalidUserID",
    ),
    Kind.ENDPOINT: (
        "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "HTTPInternalServerError",
        "RequestTimeout",
    ),
    Kind.BAD_REQUEST: (
        "Invalid", "Unsupported", "Missing", "Malformed", "Unknown", "IdempotentParameterMismatch", "VPCIdNotSpecified",
        "ParameterNotFound", "InstanceTypeNotSupported", "ImageNotFound", "ImageNotActive", "FlavorNotFound",
        "KeypairNotFound", "SecurityGroupNotFound", "NetworkNotFound", "NotExportable", "OperationNotPermitted",
        "DryRunOperation", "NonEBSInstance",
    ),
}  # fmt: skip
"""Beginnings of error codes; the longest that fits decides."""

_TEXTS: tuple[tuple[str, Kind], ...] = (
    (r"no valid host was found|not enough hosts available|insufficient capacity", Kind.CAPACITY),
    (r"quota exceeded|exceeded .*quota|quota has been|too many instances", Kind.QUOTA),
    (r"rate exceeded|too many requests|HTTP_RESPONSE_NOT_200 \((429)\)", Kind.THROTTLING),
    (r"(access|secret) ?key|HTTP_RESPONSE_NOT_200 \((401|403)\)|not authorized", Kind.AUTHENTICATION),
    (r"failed to start gahp|ec2_gahp not|E_FILE_IO|unable to read", Kind.LOCAL),
    (r"image .* (could not be found|not found)|flavor .* (could not be found|not found)", Kind.BAD_REQUEST),
    (r"HTTP_RESPONSE_NOT_200 \(5\d\d\)|E_CURL_IO|timed? ?out|connection|resolve host", Kind.ENDPOINT),
)
"""What else a text may say, in this order."""

_SUBCODES = {
    1: Kind.BAD_REQUEST, 2: Kind.BAD_REQUEST, 4: Kind.BAD_REQUEST, 6: Kind.LOCAL, 9: Kind.AUTHENTICATION,
    10: Kind.BAD_REQUEST, 13: Kind.LOST, 14: Kind.LOST, 19: Kind.LOST, 20: Kind.LOST, 21: Kind.LOST, 22: Kind.ENDPOINT,
}  # fmt: skip
"""What the gridmanager's own subcodes say, where the text says nothing better."""

_XML_CODE = re.compile(r"<Code>\s*([A-Za-z0-9._-]+)\s*</Code>")
_WORD = re.compile(r"\b(?:(?:Client|Server)\.)?[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*\b")
_SAID = re.compile(r"<Message>\s*(.*?)\s*</Message>", re.DOTALL)


def meaning(hold: Hold) -> Meaning:
    """What a hold means; a code of the cloud tells more than one of HTCondor."""
    if hold.status_on_release == _REMOVED:
        return Meaning(Kind.TERMINATION, f"{hold.code}/{hold.subcode}")
    if hold.code == _USER:
        return Meaning(Kind.PURPOSE, "by a person")
    if hold.code in (_JOB_POLICY, _SYSTEM_POLICY):
        return Meaning(Kind.PURPOSE, "by a policy")
    if hold.code == 42 and hold.subcode != 19:
        return Meaning(Kind.TERMINATION, f"42/{hold.subcode}")
    told = _by_code(hold.reason) or _by_text(hold.reason)
    if told is not None:
        return told
    kind = _SUBCODES.get(hold.subcode, Kind.UNKNOWN) if 37 <= hold.code <= 42 else Kind.UNKNOWN
    return Meaning(kind, f"{hold.code}/{hold.subcode}")


def said(hold: Hold) -> str:
    """What the cloud said, without its XML, in one line of at most 200 characters."""
    message = _SAID.search(hold.reason)
    text = message.group(1) if message else hold.reason
    return " ".join(text.split())[:200]


def _by_code(reason: str) -> Meaning | None:
    xml = _XML_CODE.search(reason)
    if xml is not None:
        return _of_code(xml.group(1))
    # Without XML a word counts only if it can't be an ordinary one.
    words = (word for word in _WORD.findall(reason) if "." in word or sum(c.isupper() for c in word) > 1)
    return next((found for word in words if (found := _of_code(word)) is not None), None)


def _of_code(code: str) -> Meaning | None:
    bare = code.removeprefix("Client.").removeprefix("Server.")
    fits = [(len(start), kind) for kind, starts in _CODES.items() for start in starts if bare.startswith(start)]
    if not fits and bare.endswith("LimitExceeded"):
        return Meaning(Kind.QUOTA, code)
    if not fits and bare.endswith((".NotFound", "NotFound")):
        return Meaning(Kind.BAD_REQUEST, code)
    return Meaning(max(fits, key=lambda fit: fit[0])[1], code) if fits else None


def _by_text(reason: str) -> Meaning | None:
    for pattern, kind in _TEXTS:
        found = re.search(pattern, reason, re.IGNORECASE)
        if found:
            return Meaning(kind, found.group(0)[:60])
    return None
