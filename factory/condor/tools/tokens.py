"""Make IDTOKENs with condor_token_fetch, and read the claims of a token."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from factory.condor.tools.run import ToolError
from factory.model.address import PoolAddress


def token_argv(pool: PoolAddress, lifetime_s: int) -> list[str]:
    """Return ``condor_token_fetch`` for the token of a VM, which may only advertise itself and read."""
    scopes = [word for scope in ("ADVERTISE_STARTD", "ADVERTISE_MASTER", "READ") for word in ("-authz", scope)]
    return ["condor_token_fetch", *pool.options(), "-type", "collector", *scopes, "-lifetime", str(lifetime_s)]


@dataclass(frozen=True)
class Claims:
    """Claims of a token; times are epoch seconds."""

    subject: str
    """The identity that the token authenticates, such as ``apf@pool``."""
    issued: int
    expires: int | None


def token_claims(token: str) -> Claims:
    """Return the claims of a token; its signature is not checked.

    Raises:
        ToolError: the text is not a token.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = claims.get("exp")
        return Claims(str(claims["sub"]), int(claims.get("iat", 0)), None if expires is None else int(expires))
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise ToolError("condor_token_fetch returned no valid token") from None


def token_subject(token: str) -> str:
    """Return the identity that a token authenticates.

    Raises:
        ToolError: the text is not a token.
    """
    return token_claims(token).subject
