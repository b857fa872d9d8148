"""Tests of ``apf check --explain`` and of docs/configuration.md, made from the same models."""

from __future__ import annotations

import pytest

from factory.config import describe_key
from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import KnownKeys
from factory.config.installed_plugins import CATEGORIES, Registry
from factory.config.reference_page import PAGE, own_plugins, page
from tests.rig.configs import PLUGINS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sched.maxtorun.maximum",
            "sched.maxtorun.maximum\n"
            "    Machines at once; none: no cap.\n"
            "    type      whole number, ≥ 0\n"
            "    default   none\n"
            "    read by   sched plugin MaxToRun: A cap.",
        ),
        (
            "batchsubmit.condorec2.lease",
            "batchsubmit.condorec2.lease\n"
            "    Longest life.\n"
            "    type      duration (seconds, or a number with s, m, h, d or w)\n"
            "    default   2d\n"
            "    read by   batchsubmit plugin CondorEC2: Machines.",
        ),
        ("batchsubmit.condorec2.spot_price", "unit      USD an hour"),
        ("batchsubmit.condorec2.tag_Owner", "batchsubmit.condorec2.tag_<NAME>"),
        ("batchsubmit.condorec2.gridresource", "default   required"),
        ("batchsubmit.condorlocal.overlay.killorder", "type      newest | oldest"),
        ("batchsubmit.condorlocal.peaceful", "formerly  peaceful"),
        ("apfqueue.sleep", "read by   every queue"),
        ("factoryId", "read by   [Factory]"),
        ("[Factory] maxage", "default   6m"),
        ("monitorURL", "read by   monitor plugin APF, in a section of monitorConf"),
        ("MaxToRun", "MaxToRun (sched plugin)\n    A cap.\n\n    n_out = min(n, ``maximum`` - running).\n"),
        ("sched.maxtorun", "MaxToRun (sched plugin)"),
        ("sched.MaxToRun", "MaxToRun (sched plugin)"),
        ("monitorplugin", "plugins   APF, Dummy\n    read by   every section of monitorConf"),
        ("batchstatusplugin", "default   required\n    plugins   Condor, CondorEC2\n    read by   every queue"),
        ("x-mine", "Keys that start with x- are yours"),
        ("factory.sleep", "Old key of [Factory], no longer read: each queue has its own apfqueue.sleep"),
        ("batchstatus.condor.sleep", "Old key of [Factory], read as the default of batchstatus.condor.interval"),
        ("batchsubmit.condorlocal.submitargs", "Old key of queues, an error: it is not read"),
        ("globusrsl.gram2.queue", "Old key of queues, no longer read: HTCondor no longer supports GRAM"),
        ("CondorCREAM", "Old batchsubmit plugin that was removed"),
    ],
)
def test_explains_keys_and_plugins(name: str, text: str) -> None:
    assert text in describe_key(name, PLUGINS)


def test_explains_a_key_for_each_place_that_reads_it() -> None:
    text = describe_key("cleanlogs.keepdays", PLUGINS)
    assert "read by   [Factory]" in text
    assert "read by   every queue" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sched.maxtorun.maximun",
            "there is no key or plugin 'sched.maxtorun.maximun'; did you mean sched.maxtorun.maximum?",
        ),
        ("MaxtoRun", "there is no key or plugin 'MaxtoRun'; did you mean MaxToRun?"),
        ("factoryid", "there is no key or plugin 'factoryid'; did you mean factoryId?"),
        ("nonsense", "there is no key or plugin 'nonsense'"),
    ],
)
def test_unknown_key_or_plugin_is_an_error_with_the_nearest_one(name: str, text: str) -> None:
    with pytest.raises(LookupError) as caught:
        describe_key(name, PLUGINS)
    assert caught.value.args == (text,)


def test_explains_that_a_plugin_can_not_be_imported() -> None:
    broken = Registry({"sched": {"Bad": {}.popitem}, "monitor": {"Worse": {}.popitem}})
    assert "sched plugin Bad can't be imported: KeyError" in describe_key("sched.bad.maximum", broken)
    assert "sched plugin Bad can't be imported: KeyError" in describe_key("Bad", broken)


def test_explains_every_installed_and_old_key() -> None:
    own = own_plugins()
    choices = ["wmsstatusplugin", "batchstatusplugin", "schedplugin", "batchsubmitplugin", "monitorplugin"]
    names = [*choices, *KnownKeys(own).queue_keys(), *(name for category in CATEGORIES for name in own.names(category))]
    for name in (*names, *(pattern.replace("*", "x") for pattern in (*old.FACTORY, *old.QUEUE, *old.QUEUE_REFUSED))):
        assert describe_key(name, own)


def test_every_key_has_a_description() -> None:
    own = own_plugins()
    assert [name for name in KnownKeys(own).queue_keys() if "No description." in describe_key(name, own)] == []


def test_configuration_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(own_plugins()), "run: python -m factory.config.reference_page"
