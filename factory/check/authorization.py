"""Test with a real token that VMs can join the pool, and that the factory can command them."""

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

_VM_RIGHTS = ("READ", "ADVERTISE_STARTD", "ADVERTISE_MASTER")
_SLACK_S = 60


def check_authorization(queues: Sequence[Queue], factory: FactorySettings) -> Iterator[Finding]:
    """Fetch a VM's token, try it at the collector and discard it; also try this account for ADMINISTRATOR."""
    vm_queues = [machines for queue in queues if (machines := queue.batchsubmit.machines()) is not None]
    if not vm_queues:
        return
    pool = PoolAddress(factory.pool)
    try:
        ours = authorized_identities(pool, ("READ", "ADMINISTRATOR"), factory.command_timeout)
        yield from _token(pool, max(machines.lease_max_s for machines in vm_queues), factory.command_timeout)
    except ToolError as error:
        yield Finding("unchecked", f"authorization: {error}", daemon=str(pool))
        return
    if ours["ADMINISTRATOR"] is None:
        identity = ours["READ"] or "unknown identity"
        text = (
            f"this account ({identity}) is not allowed ADMINISTRATOR at the collector, so it can't retire VMs; "
            f"add {identity} to COLLECTOR.ALLOW_ADMINISTRATOR on the collector's host, and run condor_reconfig there"
        )
        yield Finding("error", text, daemon=str(pool))


def _token(pool: PoolAddress, lifetime_s: int, timeout_s: int) -> Iterator[Finding]:
    try:
        token = run_tool(token_argv(pool, lifetime_s), timeout_s).strip()
        claims = token_claims(token)
    except ToolError as error:
        text = (
            f"can't fetch a token for VMs: {error}; allow the factory's account READ at the collector, "
            "and check that the collector has a signing key (SEC_TOKEN_POOL_SIGNING_KEY_FILE)"
        )
        yield Finding("error", text, daemon=str(pool))
        return
    lives_s = claims.expires - claims.issued if claims.expires is not None else None
    if lives_s is not None and lives_s < lifetime_s - _SLACK_S:
        text = (
            f"a token for VMs is valid for {lives_s} s, but a lease may last {lifetime_s} s, and a VM whose token has "
            f"expired drops out of the pool; set SEC_ISSUED_TOKEN_EXPIRATION = {lifetime_s} on the collector's host, "
            "or shorten lease and lease_max"
        )
        yield Finding("error", text, daemon=str(pool))
    with tempfile.TemporaryDirectory(prefix="apf-check-") as directory:
        write_private(Path(directory) / "vm", token.encode() + b"\n")
        rights = authorized_identities(pool, _VM_RIGHTS, timeout_s, Path(directory))
    for level, identity in rights.items():
        if identity is None:
            text = (
                f"a VM's token ({claims.subject}) is not allowed {level} at the collector, so no VM can join; "
                f"add {claims.subject} to ALLOW_{level} on the collector's host, and run condor_reconfig there"
            )
            yield Finding("error", text, daemon=str(pool))
