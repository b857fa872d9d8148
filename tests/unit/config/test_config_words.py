"""``apf check --explain``, and the page that is made of the same models."""

from __future__ import annotations

import pytest

from factory.config import explain
from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import Keys
from factory.config.installed_plugins import CATEGORIES, Registry
from factory.config.reference_page import PAGE, own_plugins, page
from tests.rig.configs import PLUGINS


@pytest.mark.parametrize(
    ("name", "told"),
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
        ("x-mine", "Keys that start with x- are the user's own"),
        ("factory.sleep", "Old key of [Factory], not read any more: each queue has its own apfqueue.sleep"),
        ("batchstatus.condor.sleep", "Old key of [Factory]: the default of batchstatus.condor.interval"),
        ("batchsubmit.condorlocal.submitargs", "Old key of queues, refused: it is not read"),
        ("globusrsl.gram2.queue", "Old key of queues, not read any more: GRAM is gone"),
        ("CondorCREAM", "Old batchsubmit plugin that is gone"),
    ],
)
def test_a_key_or_plugin_is_explained(name: str, told: str) -> None:
    assert told in explain(name, PLUGINS)


def test_a_key_that_is_read_in_two_places_is_explained_for_both() -> None:
    told = explain("cleanlogs.keepdays", PLUGINS)
    assert "read by   [Factory]" in told
    assert "read by   every queue" in told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sched.maxtorun.maximun", "no key or plugin 'sched.maxtorun.maximun'; did you mean sched.maxtorun.maximum?"),
        ("MaxtoRun", "no key or plugin 'MaxtoRun'; did you mean MaxToRun?"),
        ("factoryid", "no key or plugin 'factoryid'; did you mean factoryId?"),
        ("nonsense", "no key or plugin 'nonsense'"),
    ],
)
def test_what_is_not_known_is_said_with_what_may_have_been_meant(name: str, told: str) -> None:
    with pytest.raises(LookupError) as caught:
        explain(name, PLUGINS)
    assert caught.value.args == (told,)


def test_a_plugin_that_can_not_be_imported_is_said() -> None:
    broken = Registry({"sched": {"Bad": {}.popitem}, "monitor": {"Worse": {}.popitem}})
    assert "sched plugin Bad can't be imported: KeyError" in explain("sched.bad.maximum", broken)
    assert "sched plugin Bad can't be imported: KeyError" in explain("Bad", broken)


def test_everything_that_is_installed_or_old_can_be_explained() -> None:
    own = own_plugins()
    choices = ["wmsstatusplugin", "batchstatusplugin", "schedplugin", "batchsubmitplugin", "monitorplugin"]
    names = [*choices, *Keys(own).all(), *(name for category in CATEGORIES for name in own.names(category))]
    for name in (*names, *(pattern.replace("*", "x") for pattern in (*old.FACTORY, *old.QUEUE, *old.QUEUE_REFUSED))):
        assert explain(name, own)


def test_every_key_has_a_description() -> None:
    own = own_plugins()
    assert [name for name in Keys(own).all() if "No description." in explain(name, own)] == []


def test_the_page_about_the_configuration_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(own_plugins()), "run: python -m factory.config.reference_page"
