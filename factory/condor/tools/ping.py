"""Ask the collector with condor_ping which access levels it grants, to this account or to a token."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from factory.condor.tools.run import ToolError, ToolFailed, run_with_errors
from factory.model.address import PoolAddress


def authorized_identities(
    pool: PoolAddress, levels: Sequence[str], timeout_s: float, token_directory: Path | None = None
) -> dict[str, str | None]:
    """Return the identity that the collector grants each access level to; None if it denies the level.

    ``token_directory``: authenticate only with the token in it, as a VM does.

    Raises:
        ToolError: the collector does not answer.
    """
    argv = ["condor_ping", *pool.options(), "-type", "collector", "-table", *levels]
    try:
        table, _ = run_with_errors(argv, timeout_s, None if token_directory is None else _only_token(token_directory))
    except ToolFailed as error:
        table = error.stdout
        if len(table.splitlines()) < 2:
            raise ToolError(str(error)) from None
    return _parse(table, levels)


def _only_token(directory: Path) -> Mapping[str, str]:
    methods = {f"_CONDOR_SEC_{context}_AUTHENTICATION_METHODS": "IDTOKENS" for context in ("CLIENT", "DEFAULT")}
    return {**os.environ, **methods, "_CONDOR_SEC_TOKEN_DIRECTORY": str(directory)}


def _parse(table: str, levels: Sequence[str]) -> dict[str, str | None]:
    """Parse lines such as ``READ IDTOKENS AES AES ALLOW apf@pool``; pure."""
    rows = {words[0]: words for line in table.splitlines() if len(words := line.split()) >= 6}
    return {level: rows[level][5] if level in rows and rows[level][4] == "ALLOW" else None for level in levels}
