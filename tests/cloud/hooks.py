"""Example hooks for the seam."""

from dataclasses import replace

from localcloud.query import ApiRequest, ApiResponse, error
from localcloud.seam import Boot, Drop, Forward


class Throttle:
    """Refuse every request to eu-west-1."""

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        if request.region == "eu-west-1":
            return error(503, "RequestLimitExceeded", "Request limit exceeded.")
        return forward(request)


class LoseAnswer:
    """Carry out every launch, but drop the first response about it."""

    def __init__(self) -> None:
        self._lost: set[str] = set()

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        response = forward(request)
        token = request.params.get("ClientToken", "")
        if request.action == "RunInstances" and token not in self._lost:
            self._lost.add(token)
            raise Drop
        return response


class NeverJoins:
    """Boot machines tagged ``fault = never-joins`` without HTCondor, and those tagged ``slow`` one second later."""

    def boot(self, boot: Boot) -> Boot:
        match dict(boot.facts.tags).get("fault"):
            case "never-joins":
                return replace(boot, joins=False)
            case "slow":
                return replace(boot, delay_s=boot.delay_s + 1.0)
        return boot
