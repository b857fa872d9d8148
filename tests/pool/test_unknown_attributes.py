"""Usual Requirements about a machine that no one has seen, by one poll of a real schedd: yes, no, or worth a probe."""

import subprocess
from collections.abc import Iterator

import pytest

from factory.condor.job_demand import DemandQuery, JobDemandSource
from factory.model.address import PoolAddress
from factory.model.demand import Demand, Room, Template
from factory.model.matches import Match
from factory.process.workers import Workers
from tests.rig.pool import Pool
from tests.rig.workers import asking

NEW = Template("new", Room(16, 64_000, 10**8))
HEALTHY = Template("healthy", Room(16, 64_000, 10**8), (("Start", "NodeIsHealthy =?= true"),))

PROBE = [
    "TARGET.HasSingularity =?= true",
    "TARGET.HAS_CVMFS_oasis_opensciencegrid_org =?= True",
    "(TARGET.HAS_CVMFS_ligo_osgstorage_org is true)",
    "TARGET.HasGlusterFS =!= true",
    "TARGET.HasX",
    "TARGET.GLIDEIN_Site =!= undefined",
    "!isUndefined(TARGET.GLIDEIN_Site)",
    "ifThenElse(isUndefined(TARGET.HasAvx2), false, TARGET.HasAvx2)",
    "ifThenElse(TARGET.HasAvx2 =?= true, true, false)",
    "(TARGET.HasX ?: false)",
    'TARGET.OpSysAndVer =?= "AlmaLinux9"',
    'TARGET.OpSysAndVer == "AlmaLinux9" || TARGET.OpSysAndVer == "Debian12"',
    "TARGET.OpSysMajorVer >= 8",
    'stringListMember(TARGET.Site, "A,B")',
    'stringListIMember("x", TARGET.Features)',
    "TARGET.SingularityVersion =!= undefined",
    'versionGE(split(TARGET.SingularityVersion ?: "0")[0], "3.7")',
    "TARGET.CpuIsBusy =?= false",
    'regexp("Intel", TARGET.CpuModel ?: "")',
    'TARGET.Microarch >= "x86_64-v3"',
    "TARGET.has_avx2",
    'regexp("ec2.internal", TARGET.Machine)',
    'regexp("^cms", TARGET.Name) || TARGET.HasX =?= true',
    '!stringListMember(TARGET.Machine, "bad1,bad2")',
    "TARGET.IsGlidein =?= true && TARGET.Cpus >= 1",
    "debug(TARGET.HasX) =?= true",
    "TARGET.CUDACapability > 7.5",
    'member("docker", TARGET.Runtimes)',
]
"""Only a running machine can tell."""
SURE = [
    'TARGET.Arch == "X86_64"',
    'TARGET.OpSys == "LINUX"',
    "TARGET.HasFileTransfer",
    "TARGET.Cpus >= 8",
    "TARGET.Machine =!= MachineAttrMachine1",
    "TARGET.Name =!= LastRemoteHost",
    'TARGET.Machine != "node17.example.org"',
    "TARGET.HasX =?= true || TARGET.Cpus >= 1",
    "(TARGET.Memory >= 1000) && (TARGET.Machine =!= undefined)",
]
"""A new machine matches, whatever else it shows."""
NEVER = [
    "TARGET.Cpus > 1000",
    'TARGET.Arch == "aarch64"',
    'TARGET.OpSys == "WINDOWS"',
    'TARGET.Machine == "node17.example.org"',
    'TARGET.Name =?= "slot1@node17.example.org"',
    "TARGET.HasX =?= true && TARGET.Cpus > 1000",
    "TARGET.GLIDEIN_Site != undefined",
    "MY.NoSuchAttribute =?= true",
    "false",
]
"""No new machine ever matches."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("unknown")) as running:
        yield running


@pytest.fixture(scope="module")
def matches(pool: Pool) -> dict[str, dict[str, Match]]:
    """Template → Requirements → match, of one poll."""
    asked = [*PROBE, *SURE, *NEVER]
    jobs = [
        f"executable = /bin/true\nrequest_memory = 100\nrequest_disk = 1000\nMy.Number = {n}\n"
        f'My.MachineAttrMachine1 = "node17.example.org"\nMy.LastRemoteHost = "slot1@node17.example.org"\n'
        f"My.AutoClusterMark = Number\nrequirements = {requirements}\n"
        for n, requirements in enumerate(asked)
    ]
    for job in jobs:
        subprocess.run(["condor_submit", "-terse", "-"], input=f"{job}queue\n", text=True, env=pool.env, check=True)
    with pytest.MonkeyPatch.context() as patch, asking(pool, patch) as workers:
        demand = _fetch(workers)
    numbers = {ad["ClusterId"]: int(ad["Number"]) for ad in pool.jobs("true", "ClusterId", "Number")}
    found: dict[str, dict[str, Match]] = {NEW.key: {}, HEALTHY.key: {}}
    for group in demand.groups:
        text = asked[numbers[int(group.example.split(".")[0])]]
        for template in (NEW, HEALTHY):
            found[template.key][text] = demand.on_shapes[group.key, template.key]
    return found


def _fetch(workers: Workers) -> Demand:
    query = DemandQuery(None, (NEW, HEALTHY))
    source = JobDemandSource(pool=PoolAddress(), queries=frozenset({query}), factory_id="f")
    demand = workers.call("all", 30, source.fetch).demand(None)
    assert isinstance(demand, Demand), demand
    assert len(demand.groups) == len(PROBE) + len(SURE) + len(NEVER)
    return demand


@pytest.mark.parametrize("requirements", PROBE)
def test_is_worth_a_probe(matches: dict[str, dict[str, Match]], requirements: str) -> None:
    found = matches[NEW.key][requirements]
    assert (found.ok, found.maybe) == (False, True), found.why


@pytest.mark.parametrize("requirements", SURE)
def test_surely_matches(matches: dict[str, dict[str, Match]], requirements: str) -> None:
    assert matches[NEW.key][requirements].ok, matches[NEW.key][requirements].why


@pytest.mark.parametrize("requirements", NEVER)
def test_never_matches(matches: dict[str, dict[str, Match]], requirements: str) -> None:
    found = matches[NEW.key][requirements]
    assert (found.ok, found.maybe) == (False, False), found.why
    assert found.why


def test_start_by_a_health_check_is_worth_a_probe(matches: dict[str, dict[str, Match]]) -> None:
    """A STARTD_CRON script sets the attribute after the machine has joined."""
    found = matches[HEALTHY.key]
    assert all(found[requirements].maybe for requirements in (*PROBE, *SURE))
    assert not any(found[requirements].maybe for requirements in NEVER)
