"""A match with a machine that no one has seen is certain only if no unknown attribute can change it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.condor.classad.match import NewMachine, match_all_new
from factory.condor.classad.unknowns import KnownAd, Unknowns

pytest.importorskip("htcondor2", reason="without it a name without a scope is not looked up in the other ad")
classad2 = pytest.importorskip("classad2")

JOB = {
    "RequestCpus": "1",
    "RequestMemory": "100",
    "Owner": '"alice"',
    "LastRemoteHost": '"slot1@node17"',
    "MachineAttrMachine1": '"node17"',
}
MACHINE = {"Cpus": "8", "Memory": "16384", "Arch": '"X86_64"', "OpSys": '"LINUX"', "HasDocker": "true"}


def known(attributes: Mapping[str, str]) -> KnownAd:
    return KnownAd(ad(attributes))


def ad(attributes: Mapping[str, str]) -> Any:
    made = classad2.ClassAd()
    for name, text in attributes.items():
        made[name] = classad2.ExprTree(text)
    return made


def verdict(requirements: str, **machine: str) -> bool | None:
    text = str(classad2.ExprTree(requirements))
    return Unknowns(known(JOB), known({**MACHINE, **machine}), "target").verdict(text)


MAYBE = [
    "TARGET.HasX =?= true",
    "TARGET.HasX is true",
    "TARGET.HasX =!= true",
    "TARGET.HasX",
    "HasX",
    "TARGET.HasX =!= undefined",
    "!isUndefined(TARGET.HasX)",
    "isUndefined(TARGET.HasX)",
    "ifThenElse(isUndefined(TARGET.HasX), false, TARGET.HasX)",
    "(TARGET.HasX ?: false)",
    "(TARGET.HasX ?: true)",
    'OpSysAndVer =?= "AlmaLinux9"',
    'OpSysAndVer == "AlmaLinux9"',
    'stringListMember(TARGET.Site, "A,B")',
    "SingularityVersion =!= undefined",
    "CpuIsBusy =?= false",
    'regexp("ec2.internal", TARGET.Machine)',
    'stringListMember(Machine, "a,b")',
    'substr(TARGET.Name, 0, 3) == "ec2"',
    "TARGET.HasX =?= true || TARGET.Cpus > 100",
    "TARGET.HasX =?= true && TARGET.Cpus >= RequestCpus",
    "TARGET.HasX ? TARGET.Cpus > 1 : TARGET.Cpus > 100",
    'versioncmp(TARGET.CondorVersion2, "9") > 0',
    'member("x", TARGET.Features)',
    'eval("true")',
    "size(TARGET.Features) > 0",
    "ifThenElse(TARGET.HasX, true, true) || true",  # an error, if HasX is one
]
YES = [
    "true",
    "TARGET.Cpus >= RequestCpus",
    'TARGET.Arch == "X86_64"',
    "TARGET.HasX =?= true || TARGET.Cpus >= RequestCpus",
    "TARGET.Cpus >= RequestCpus || TARGET.HasX",
    "TARGET.Machine =!= MachineAttrMachine1",
    "TARGET.Name =!= LastRemoteHost",
    'TARGET.Machine != "node17"',
    "Machine =!= undefined",
    "HasDocker",
    "MY.Nothing =?= undefined",
    '(TARGET.FileSystemDomain == "site.org") || TARGET.HasDocker',
]
NO = [
    "TARGET.Glidein_Site != undefined",  # undefined, or an error, whatever it is
    "false",
    "TARGET.Cpus > 100",
    "TARGET.HasX =?= true && TARGET.Cpus > 100",
    "TARGET.Cpus > 100 && TARGET.HasX =?= true",
    'TARGET.Machine == "node17.example.org"',
    'TARGET.Machine =?= "node17.example.org"',
    "TARGET.Name == LastRemoteHost",
    "MY.Nothing",
    "MY.Nothing =!= undefined",
    "!HasDocker",
    "TARGET.HasX ? false : false",
    "Machine =?= undefined",
]


@pytest.mark.parametrize("requirements", MAYBE)
def test_is_a_maybe_while_an_unknown_attribute_decides(requirements: str) -> None:
    assert verdict(requirements) is None


@pytest.mark.parametrize(
    "requirements", [*MAYBE, 'eval("TARGET.HasX is undefined")', 'eval("HasX") is undefined', "MY.Hidden"]
)
def test_match_with_a_new_machine_is_a_maybe_while_an_unknown_attribute_decides(requirements: str) -> None:
    job = ad({**JOB, "Hidden": 'eval("TARGET.HasX is undefined")', "Requirements": requirements})
    template = ad({**MACHINE, "Start": "true", "Requirements": "START"})
    found = match_all_new({"job": job}, {"shape": NewMachine(template, template)})["job", "shape"]
    assert (found.ok, found.maybe) == (False, True), found


@pytest.mark.parametrize("requirements", YES)
def test_is_certain_whatever_the_unknown_attributes_are(requirements: str) -> None:
    assert verdict(requirements) is True


@pytest.mark.parametrize("requirements", NO)
def test_is_impossible_whatever_the_unknown_attributes_are(requirements: str) -> None:
    assert verdict(requirements) is False


def test_follows_references_into_definitions_of_both_ads() -> None:
    assert verdict("TARGET.Healthy", Healthy="NodeIsHealthy =?= true") is None
    assert verdict("TARGET.Healthy", Healthy="Cpus > 2") is True
    assert verdict("TARGET.Suits", Suits='TARGET.Owner == "alice"') is True
    assert verdict("TARGET.Suits", Suits='TARGET.Group == "x"') is False, "the job is known in whole"


def test_start_of_a_machine_waits_for_what_only_the_machine_can_tell() -> None:
    def start(text: str) -> bool | None:
        return Unknowns(known(MACHINE), known(JOB), "my").verdict(text)

    assert start("NodeIsHealthy =?= true") is None
    assert start('TARGET.Owner == "alice"') is True
    assert start('Owner == "bob"') is False
    assert start("TARGET.Nothing =?= true") is False


def test_is_certain_once_the_machine_is_known_to_lack_the_attribute() -> None:
    text = str(classad2.ExprTree("TARGET.HasX =?= true"))
    assert Unknowns(known(JOB), known(MACHINE), "target", absent={"hasx"}).verdict(text) is False
    assert Unknowns(known(JOB), known(MACHINE), "target", absent={"other"}).verdict(text) is None


ATOMS = ["TARGET.U1", "U2", "TARGET.Cpus", "MY.RequestCpus", "TARGET.HasDocker", "true", "false", "undefined", "error"]
ATOMS += ["1", "0", "2.5", '"text"', "Owner", "MY.Nothing", '"a,b"']
expressions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(
            ["&&", "||", "==", "!=", "=?=", "=!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&", "|", "^", "?:"]
        ), inner),
        st.builds("(!{})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("ifThenElse({}, {}, {})".format, inner, inner, inner),
        st.builds("{}({})".format, st.sampled_from(
            ["isUndefined", "isError", "isString", "isBoolean", "isInteger", "isReal", "int", "string", "size"]
        ), inner),
        st.builds("{}({}, {})".format, st.sampled_from(
            ["stringListMember", "strcat", "member", "regexp", "min", "max"]
        ), inner, inner),
        st.builds("{{{}, {}}}".format, inner, inner),
    ),
    max_leaves=12,
)  # fmt: skip
values = st.sampled_from(
    [
        None,
        "true",
        "false",
        "undefined",
        "error",
        "0",
        "1",
        "-3",
        "2.5",
        '"text"',
        '"b"',
        "{1, 2}",
        '{"text"}',
        "Cpus > 4",
    ]
)


@settings(max_examples=2000, deadline=None)
@given(expressions, st.lists(st.tuples(values, values), min_size=1, max_size=8))
def test_a_certain_verdict_holds_for_every_completion(
    expression: str, completions: list[tuple[str | None, str | None]]
) -> None:
    found = Unknowns(known(JOB), known(MACHINE), "target").verdict(str(classad2.ExprTree(expression)))
    if found is None:
        return
    for one, two in [(None, None), *completions]:
        more = {name: text for name, text in (("U1", one), ("U2", two)) if text is not None}
        value = classad2.ExprTree(expression).eval(ad(JOB), ad({**MACHINE, **more}))
        true = value is True or (
            isinstance(value, int | float) and not isinstance(value, classad2.Value) and bool(value)
        )
        assert true == found, (value, more)
