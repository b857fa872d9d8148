"""Client tokens: a launch requested twice with the same token happens once."""

import hashlib
from dataclasses import dataclass, field

from localcloud.query import ApiRequest, ApiResponse, error


@dataclass(frozen=True)
class _Launch:
    fingerprint: str
    response: ApiResponse


@dataclass
class ClientTokens:
    """Launches made with a ClientToken, remembered as EC2 does.

    The same token with the same parameters gets the first response again. With other parameters it gets the error
    IdempotentParameterMismatch. Failed launches are not remembered.
    """

    _launches: dict[tuple[str, str], _Launch] = field(default_factory=dict)

    def recall(self, request: ApiRequest) -> ApiResponse | None:
        """Return the response to an earlier launch with this token, or None."""
        launch = self._launches.get(_key(request))
        if launch is None:
            return None
        if launch.fingerprint != _fingerprint(request):
            return error(
                400,
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        return launch.response

    def remember(self, request: ApiRequest, response: ApiResponse) -> None:
        """Remember the response to a launch, if it has a token and succeeded."""
        if request.params.get("ClientToken") and response.status == 200:
            self._launches[_key(request)] = _Launch(_fingerprint(request), response)


def _key(request: ApiRequest) -> tuple[str, str]:
    return request.region, request.params.get("ClientToken", "")


def _fingerprint(request: ApiRequest) -> str:
    return hashlib.sha256(repr(sorted(request.params.items())).encode()).hexdigest()
