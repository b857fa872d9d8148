"""A machine that has joined may still lack what its START waits for."""

from typing import Any

import pytest

from factory.condor.classad.unready import job_names, may_open

pytest.importorskip("htcondor2", reason="without it a name without a scope is not looked up in the other ad")
classad2 = pytest.importorskip("classad2")

ALICE = {"Owner": '"alice"', "RequestCpus": "1"}
BOB = {"Owner": '"bob"', "RequestCpus": "1", "WantsNight": "true"}


def ad(attributes: dict[str, str]) -> Any:
    made = classad2.ClassAd()
    for name, text in attributes.items():
        made[name] = classad2.ExprTree(text)
    return made


def opens(machine: dict[str, str], *jobs: dict[str, str]) -> bool:
    ads = [ad(job) for job in jobs]
    return may_open(ad(machine), ads, job_names(ads))


@pytest.mark.parametrize(
    "start",
    [
        "NodeIsHealthy =?= true",
        "NodeIsHealthy",
        "MY.NodeIsHealthy",
        "(NodeIsHealthy ?: false)",
        "NodeIsHealthy && RequestCpus < 4",
        'NodeIsHealthy =?= true && TARGET.Owner == "bob"',
        "FilesReady",
        'regexp("node", Machine) && NodeIsHealthy',
    ],
)
def test_waits_for_an_attribute_that_the_machine_lacks(start: str) -> None:
    machine = {"Start": start, "Machine": '"node17"', "FilesReady": "DiskState =?= 3"}
    assert opens(machine, ALICE, BOB)


@pytest.mark.parametrize(
    "start",
    [
        "true",
        "false",
        "undefined",
        "FilesReady",
        "NodeIsHealthy =?= true && false",
        'TARGET.Owner == "carol"',
        'Owner == "carol"',
        "WantsNight =?= false",
        "NodeIsHealthy =!= false",
        'NodeIsHealthy =?= true || Owner == "alice"',
        'NodeIsHealthy =?= true && Owner == "carol"',
        'regexp("elsewhere", Machine)',
    ],
)
def test_waits_for_nothing_that_the_machine_can_still_show(start: str) -> None:
    machine = {"Start": start, "Machine": '"node17"', "FilesReady": "false"}
    assert not opens(machine, ALICE, BOB)


def test_a_machine_without_start_or_without_waiting_jobs_waits_for_nothing() -> None:
    assert not opens({}, ALICE)
    assert not opens({"Start": "NodeIsHealthy"})
