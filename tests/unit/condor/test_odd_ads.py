"""No value of any attribute that a source asks for stops the source, or hides the other ads.

A stand-in for the bindings answers each query with a usual ad and with one that is odd in one attribute. It takes the
attributes from the query, so that a new one is covered without anybody remembering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from factory.condor.collector.machines import PoolSource
from factory.condor.job_demand import DemandQuery, JobDemandRows, JobDemandSource
from factory.condor.negotiator import NegotiatorLimits
from factory.condor.schedd.evictable_jobs import EvictableSource
from factory.condor.schedd.history import HistorySource, HistoryWindow
from factory.condor.schedd.job_counts import JobCountSource
from factory.condor.schedd.orphan_checks import queued_grid_jobs
from factory.condor.schedd.vm_jobs import VMJobsSource
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Demand, Room, Template
from factory.model.source import Source

classad2 = pytest.importorskip("classad2")
htcondor2 = pytest.importorskip("htcondor2")

DOUBLING = {"A0": "TARGET.Cpus", **{f"A{i}": f"A{i - 1} + A{i - 1}" for i in range(1, 31)}}
ODD = {
    "not UTF-8": r'"\374"', "list": "{1, 2}", "record": "[a = 1]", "NaN": 'real("NaN")', "INF": 'real("INF")',
    "huge": "1" + "0" * 300, "negative": "-7", "error": "error", "undefined": "undefined", "true": "true",
    "text": '"x"', "empty": '""', "blanks": '"a b"', "itself": None, "exponential": "A30",
    "deep": "(" * 150 + "Cpus" + ")" * 150,
    "long": '"' + "x" * 20_000 + '"', "missing": "",
}  # fmt: skip
"""Kind of value → expression; None: the attribute itself; empty: the attribute is missing."""

USUAL = {
    "clusterid": "1", "procid": "0", "jobids": '"1.0"', "jobcount": "3", "autoclusterid": "7", "jobstatus": "1",
    "jobuniverse": "5", "owner": '"alice"', "requestcpus": "1", "requestmemory": "100", "requestdisk": "1000",
    "requirements": "TARGET.Cpus > 0", "qdate": "1000", "remotehost": '"slot1_1@node1"', "apffactory": '"f"',
    "apfvm": '"vm-1"', "name": '"slot1@vm-1@host"', "machine": '"host"', "slottype": '"Partitionable"',
    "partitionableslot": "true", "state": '"Unclaimed"', "activity": '"Idle"', "cpus": "8", "memory": "16000",
    "disk": "1000000", "totalslotcpus": "8", "totalslotmemory": "16000", "totalslotdisk": "1000000", "start": "true",
    "ec2instanceid": '"i-1"', "authenticatedidentity": '"apf@pool"', "lastheardfrom": "2000", "mycurrenttime": "2000",
    "daemonstarttime": "1000", "enteredcurrentstate": "1000", "startd_starttime": "1000", "numdynamicslots": "0",
    "jobstartdate": "1000", "remotewallclocktime": "10", "match_apf_queue": '"Q"', "apf_queue": '"Q"',
    "statslifetime": "9000",
}  # fmt: skip


def ad(attributes: dict[str, str], names: Iterable[str]) -> Any:
    made = classad2.ClassAd()
    for name in names:
        if attributes.get(name.lower()):
            made[name] = classad2.ExprTree(attributes[name.lower()])
    return made


class Daemon:
    """A schedd or collector that has one usual ad, and one that is odd in an attribute."""

    def __init__(self, odd: str | None, how: str) -> None:
        self.asked: set[str] = set()
        self._odd, self._how = odd, how

    def query(self, *kinds: object, projection: Iterable[str] = (), **_options: object) -> list[Any]:
        names = list(projection) or [name for name in USUAL if not name.startswith("jobid")]
        whole = [*names, "JobIds", "JobCount", "AutoClusterId"]
        self.asked |= {name.lower() for name in names}
        ads = [ad(USUAL, whole)]
        if self._odd is not None and self._odd in {name.lower() for name in whole}:
            text = ODD[self._how]
            value = self._odd if text is None else text
            other = {"clusterid": "2", "jobids": '"2.0"', "autoclusterid": "8", "owner": '"mallory"', "apfvm": '"vm-2"',
                     "name": '"slot1@vm-2@host"', "ec2instanceid": '"i-2"'}  # fmt: skip
            attributes = {**USUAL, **other, self._odd: value}
            doubling = DOUBLING if value == "A30" else {}
            ads.append(ad({**attributes, **{k.lower(): v for k, v in doubling.items()}}, [*whole, *doubling]))
        return ads

    history = query


class Negotiator:
    """A negotiator without limits."""

    def __init__(self, *_: object) -> None:
        pass

    def answer(self, _patience_s: float) -> NegotiatorLimits:
        return NegotiatorLimits()


HERE = ScheddAddress()
TEMPLATE = Template("shape", Room(16, 64_000, 10**8), queue="Q")


def demand_of(rows: JobDemandRows) -> object:
    demand = rows.demand(None)
    assert isinstance(demand, Demand)
    sure = {(group.owner, group.count) for group in demand.groups if demand.on_shapes.get((group.key, TEMPLATE.key))}
    return ("alice", 3) in sure, any(machine.name == "slot1@vm-1@host" for machine in demand.machines)


QUERIES = frozenset({DemandQuery(None, (TEMPLATE,))})
WINDOWS = frozenset({HistoryWindow("Q", 10**12, 60)})
SOURCES: dict[str, tuple[Source, Callable[[Any], object]]] = {
    "demand": (JobDemandSource(pool=PoolAddress(), queries=QUERIES, factory_id="f"), demand_of),
    "counts": (JobCountSource(schedd=HERE), lambda rows: rows.total[1] >= 3),
    "VM jobs": (VMJobsSource(schedd=HERE, owner="apf", factory_id="f"), lambda rows: "node1" in rows.evictable),
    "evictable": (EvictableSource(schedd=HERE), lambda rows: "node1" in rows.startds),
    "machines": (
        PoolSource(pool=PoolAddress(), factory_id="f"),
        lambda rows: ("vm-1" in rows.machines, "vm-1" in rows.masters),
    ),
    "history": (
        HistorySource(schedd=HERE, owner="apf", factory_id="f", windows=WINDOWS),
        lambda rows: [window.total >= 1 for window in rows.values()],
    ),
}


def answer(monkeypatch: pytest.MonkeyPatch, daemon: Daemon, fetch: Callable[[], Any]) -> Any:
    modules = ("job_demand", "collector.machines", "collector.slot_queries", "negotiator", "schedd.evictable_jobs",
               "schedd.history", "schedd.job_counts", "schedd.vm_jobs", "schedd.orphan_checks")  # fmt: skip
    for module in modules:
        for name in ("open_schedd", "open_collector"):
            monkeypatch.setattr(f"factory.condor.{module}.{name}", lambda *_: daemon, raising=False)
    monkeypatch.setattr("factory.condor.job_demand.schedd_ad", lambda _: {})
    monkeypatch.setattr("factory.condor.job_demand.NegotiatorQuery", Negotiator)
    return fetch()


@pytest.mark.parametrize("name", SOURCES)
def test_no_value_stops_a_source_or_hides_another_ad(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    source, shows_the_usual_ad = SOURCES[name]
    usual = Daemon(None, "")
    expected = shows_the_usual_ad(answer(monkeypatch, usual, source.fetch))
    assert usual.asked
    wrong = []
    for attribute in sorted(usual.asked | {"autoclusterid"}):
        for how in ODD:
            try:
                found = shows_the_usual_ad(answer(monkeypatch, Daemon(attribute, how), source.fetch))
            except Exception as error:  # noqa: BLE001 - any is wrong
                wrong.append(f"{attribute} {how}: {type(error).__name__} {error}"[:150])
            else:
                wrong += [] if found == expected else [f"{attribute} {how}: {found}"]
    assert wrong == []


def test_grid_jobs_of_others_are_read_whatever_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for how in ODD:
        jobs = answer(monkeypatch, Daemon("qdate", how), lambda: queued_grid_jobs(HERE))
        assert len(jobs) == 2, how


def test_own_vm_job_that_can_not_be_read_fails_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out it would count as gone, and another VM would be bought (rule 2)."""

    class Odd(Daemon):
        def query(self, *_kinds: object, projection: Iterable[str] = (), **_options: object) -> list[Any]:
            own = USUAL | {"owner": '"apf"', "jobuniverse": "9", "jobstatus": '"x"'}
            return [ad(USUAL, projection), ad(own, projection)]

    source = VMJobsSource(schedd=HERE, owner="apf", factory_id="f")
    with pytest.raises(ValueError, match="x"):
        answer(monkeypatch, Odd(None, ""), source.fetch)
