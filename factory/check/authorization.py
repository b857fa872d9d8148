"""Whether machines may join, and whether the factory may command them: tried with a real token."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from factory.condor.tools.ping import authorized_identities
from factory.condor.tools.run import ToolError, run_tool
from factory.condor.tools.tokens import token_argv, token_claims
from factory.config.queues import Queue
from factory.model.address import PoolAddress
from factory.plugin.finding import Finding
from factory.settings.factory import FactorySettings
from factory.state.directory import write_private

_OF_A_VM = ("READ", "ADVERTISE_STARTD", "ADVERTISE_MASTER")
_SLACK_S = 60


def check_authorization(queues: Sequence[Queue], factory: FactorySettings) -> Iterator[Finding]:
    """A token as VMs get it is fetched, tried at the collector, and thrown away; and ADMINISTRATOR is tried."""
    found = [machines for queue in queues if (machines := queue.batchsubmit.machines()) is not None]
    if not found:
        return
    pool = PoolAddress(factory.pool)
    try:
        ours = authorized_identities(pool, ("READ", "ADMINISTRATOR"), factory.command_timeout)
        yield from _token(pool, max(machines.lease_max_s for machines in found), factory.command_timeout)
    except ToolError as error:
        yield Finding("unchecked", f"authorization: {error}", daemon=str(pool))
        return
    if ours["ADMINISTRATOR"] is None:
        text = (
            f"this account ({ours['READ'] or 'unknown'}) is not allowed ADMINISTRATOR at the collector, so it can't "
            "command VMs: none would ever be retired. Add it to COLLECTOR.ALLOW_ADMINISTRATOR, and condor_reconfig"
        )
        yield Finding("error", text, daemon=str(pool))


def _token(pool: PoolAddress, lifetime_s: int, timeout_s: int) -> Iterator[Finding]:
    try:
        token = run_tool(token_argv(pool, lifetime_s), timeout_s).strip()
        claims = token_claims(token)
    except ToolError as error:
        text = f"no token for VMs can be had: {error}; the factory's account needs READ and a pool that signs tokens"
        yield Finding("error", text, daemon=str(pool))
        return
    lives_s = claims.expires - claims.issued if claims.expires is not None else None
    if lives_s is not None and lives_s < lifetime_s - _SLACK_S:
        text = (
            f"a token for VMs lives {lives_s} s, but the lease may last {lifetime_s} s, and a VM whose token has ended "
            f"drops out of the pool. Raise SEC_ISSUED_TOKEN_EXPIRATION to {lifetime_s}, or shorten lease and lease_max"
        )
        yield Finding("error", text, daemon=str(pool))
    with tempfile.TemporaryDirectory(prefix="apf-check-") as directory:
        write_private(Path(directory) / "vm", token.encode() + b"\n")
        rights = authorized_identities(pool, _OF_A_VM, timeout_s, Path(directory))
    for level, identity in rights.items():
        if identity is None:
            text = (
                f"a VM's token ({claims.subject}) is not allowed {level}, so no VM can join; add {claims.subject} to "
                f"ALLOW_{level} of the collector, and condor_reconfig"
            )
            yield Finding("error", text, daemon=str(pool))
