"""Client tokens: a launch that is asked for twice happens once."""

import hashlib
from dataclasses import dataclass, field

from localcloud.query import ApiRequest, ApiResponse, error


@dataclass(frozen=True)
class _Launch:
    fingerprint: str
    response: ApiResponse


@dataclass
class ClientTokens:
    """The launches that were made with a ClientToken, as EC2 remembers them.

    The same token with the same parameters gives the answer of the first time; with other parameters it is
    an IdempotentParameterMismatch. A launch that failed is not remembered.
    """

    _launches: dict[tuple[str, str], _Launch] = field(default_factory=dict)

    def recall(self, request: ApiRequest) -> ApiResponse | None:
        """The answer to a launch that has been made already, or None."""
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
        """Note the answer to a launch, if it has a token and succeeded."""
        if request.params.get("ClientToken") and response.status == 200:
            self._launches[_key(request)] = _Launch(_fingerprint(request), response)


def _key(request: ApiRequest) -> tuple[str, str]:
    return request.region, request.params.get("ClientToken", "")


def _fingerprint(request: ApiRequest) -> str:
    return hashlib.sha256(repr(sorted(request.params.items())).encode()).hexdigest()
