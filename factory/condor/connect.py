"""Handles to schedds and collectors, for worker processes only."""

from __future__ import annotations

from typing import Any

from factory.model.address import PoolAddress, ScheddAddress


def open_schedd(address: ScheddAddress) -> Any:
    """Return the ``htcondor2.Schedd`` at this address.

    Raises:
        LookupError: the collector has no ad of it.
    """
    import htcondor2

    if address.name is None and address.pool is None:
        return htcondor2.Schedd()
    return htcondor2.Schedd(_located(address))


def open_collector(address: PoolAddress) -> Any:
    """Return the ``htcondor2.Collector`` at this address."""
    import htcondor2

    return htcondor2.Collector(address.collector) if address.collector else htcondor2.Collector()


def schedd_name(address: ScheddAddress) -> str:
    """Return the name of the schedd in its pool. Instances carry it as a tag.

    Raises:
        LookupError: the collector has no ad of it.
    """
    return str(_located(address)["Name"])


def _located(address: ScheddAddress) -> Any:
    import htcondor2

    collector = open_collector(PoolAddress(address.pool))
    ad = collector.locate(htcondor2.DaemonType.Schedd, address.name)
    if ad is None:  # Schedd(None) would be the one of this host
        raise LookupError(f"{PoolAddress(address.pool)} has no ad of schedd {address.name or 'of this host'}")
    return ad
