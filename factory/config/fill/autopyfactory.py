"""Keys and plugins of AutoPyFactory that are no longer read, and their replacements.

The tables cover both generations: up to 2.4.10 (``proxymanager``, ``wmsstatus.maxtime``) and later
(``authmanager``, ``config.queues.plugin``). An old spelling of a key that still exists is listed at its field
(``json_schema_extra={"old": ...}``). A key that an installed plugin reads is never looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase, translate
from functools import cache

_AUTH = "each plugin has its own keys for credentials; remove it"
_LOG_SERVER = "apf has no log server; publish baseLogDir with a web server and set baseLogDirUrl to its URL"
_SIGHUP = "apf reads its files again on SIGHUP; remove it and run: systemctl reload apf"
_AGIS = "apf reads queues from files only; write the AGIS queues into a file and remove it"
_MONITOR = "each queue names its monitors in monitorsection; remove it"
_MAIL = "apf sends no mail; use its log, its metrics or apf status, and remove it"
_NO_EFFECT = "had no effect in AutoPyFactory either; remove it"
_UNREFERENCED = "it was a value for %(…)s in other keys, and none uses it; remove it, or start it with x-"
_PORT = "the collector knows the address of the schedd; remove it"
_GRAM = "HTCondor no longer supports GRAM; remove it"
_PROXY = "apf does not handle X.509 proxies; use tokens (SciTokens, IDTOKENS) and remove it"
_OWN_JOBS = "is not read; all jobs of a factory are in one schedd: set schedd and pool in [Factory]"

FACTORY: Mapping[str, str] = {
    "factoryUser": "jobs belong to the account apf runs as; remove it",
    "factorySMTPServer": _MAIL,
    "factoryMinEmailRepeatSeconds": _MAIL,
    "factory.sleep": "each queue has its own apfqueue.sleep; remove it",
    "cycles": "apf runs until it is stopped; for one round run apf --once; remove it",
    "abort_no_queues": "apf keeps running without queues and waits for a reload; remove it",
    "authmanager.*": _AUTH,
    "authConf": _AUTH,
    "proxymanager.*": _AUTH,
    "proxyConf": _AUTH,
    "mappingsConf": "the meaning of each JobStatus is fixed; remove it",
    "logserver.*": _LOG_SERVER,
    "config.reconfig": _SIGHUP,
    "config.reconfig.interval": _SIGHUP,
    "reconfig": _SIGHUP,
    "config.interval": _SIGHUP,
    "config.file.*": _SIGHUP,
    "config.queues.plugin": "apf reads queues from files only; use queueConf or queueDirConf and remove it",
    "config.auth.plugin": _AUTH,
    "config.queues.agis.*": _AGIS,
    "config.agis.*": _AGIS,
    "configplugin": "apf reads queues from files only; use queueConf or queueDirConf and remove it",
    "monitor": _MONITOR,
    "monitor.*": _MONITOR,
    "wmsstatus.queue.*": "the WMS status plugin Queue never worked; remove it",
    "wmsstatus.maximum": "it was a mistake in the documentation and never read; write maxage instead",
    "enabled": "it is a key of queues; to stop all queues write enablequeues = False",
}
"""Keys of [Factory] that are no longer read, by pattern."""

_READERS = {
    "wmsstatus.panda": ("wmsstatus.panda",),
    "wmsstatus.condor": ("wmsstatus.condor", "wmsstatus.condorlocal"),
    "batchstatus.condor": ("batchstatus.condor", "batchstatus.condorlocal", "batchstatus.condorec2"),
    "wmsstatus": ("wmsstatus.panda", "wmsstatus.condor", "wmsstatus.condorlocal"),
    "batchstatus": ("batchstatus.condor", "batchstatus.condorlocal", "batchstatus.condorec2"),
}

FACTORY_TO_QUEUES: Mapping[str, tuple[str, ...]] = {
    f"{plugin}.{name}": tuple(f"{reader}.{new}" for reader in _READERS[plugin])
    for name, new, plugins in (
        ("maxtime", "maxage", ("wmsstatus", "batchstatus", "batchstatus.condor")),
        ("sleep", "interval", ("wmsstatus.panda", "wmsstatus.condor", "batchstatus.condor")),
        ("maxage", "maxage", ("wmsstatus.panda", "wmsstatus.condor", "batchstatus.condor")),
    )
    for plugin in plugins
}
"""Old keys of [Factory], with the plugin keys for which they give the default in every queue."""

SLEEP = "a queue polls its sources each time it runs (apfqueue.sleep); remove it"

QUEUE: Mapping[str, str] = {
    "cloud": _UNREFERENCED,
    "status": _NO_EFFECT,
    "override": _NO_EFFECT,
    "autofill": _NO_EFFECT,
    "batchqueue": _UNREFERENCED,
    "grid": _UNREFERENCED,
    "vo": _UNREFERENCED,
    "req": _UNREFERENCED,
    "hold": _UNREFERENCED,
    "remove": _UNREFERENCED,
    "creamattr": _UNREFERENCED,
    "periodic_hold": _UNREFERENCED,
    "periodic_remove": _UNREFERENCED,
    "executable.defaultarguments": _UNREFERENCED,
    "queueargs": _NO_EFFECT,
    "sched.simple.*": "the sched plugin Simple was removed; use Fixed, or Ready with MaxPerCycle and MaxPending",
    "sched.simplenqueue.*": "the sched plugin SimpleNQueue was removed; use KeepNRunning",
    "sched.trivial.*": "the sched plugin Trivial was removed; use Fixed",
    "sched.weightedactivated.*": "the sched plugin WeightedActivated never worked; use Ready, Scale",
    "sched.fillactivated.*": "the sched plugin Fillactivated never worked; use Ready",
    "sched.keepnqueuelife.*": "the sched plugin KeepNQueueLife never worked; use KeepNRunning",
    "sched.activated.default": "was used when information was missing; the chain is blocked instead; remove it",
    "sched.statustest.allowed": _NO_EFFECT,
    "sched.statusoffline.allowed": _NO_EFFECT,
    "wmsstatus.*.scheddport": _PORT,
    "batchstatus.*.scheddport": _PORT,
    "batchstatus.*.collectorport": "write the port in [Factory] pool (pool = HOST:PORT) and remove it",
    "batchhistory.*": _NO_EFFECT,
    "batchhistoryplugin": _NO_EFFECT,
    "wmsstatus.condorqueryargs": _NO_EFFECT,
    "wmsstatus.*.password_file": "HTCondor's configuration sets how apf authenticates to the daemons; remove it",
    "batchstatus.condorec2.queryargs": _NO_EFFECT,
    "wmsstatus.queue.*": "the WMS status plugin Queue never worked; remove it",
    "batchsubmit.condorec2.peaceful": "VMs always retire peacefully; remove it",
    "batchsubmit.condorec2.overlay.peaceful": "VMs always retire peacefully; remove it",
    "batchsubmit.condorec2.killorder": "VMs without an instance retire first, then idle ones; remove it",
    "batchsubmit.condorec2.overlay.killorder": "VMs without an instance retire first, then idle ones; remove it",
    "batchsubmit.condorec2.environ": "VM jobs have no environment; remove it",
    "batchsubmit.condorec2.usessh": "apf reaches VMs through HTCondor only; remove it",
    "batchsubmit.condorec2.proxy": "EC2 needs no X.509 proxy; remove it",
    "batchsubmit.*.proxy": _PROXY,
    "batchsubmit.*.proxyfile": _PROXY,
    "batchsubmit.condorosgce.remote_condor_schedd": _UNREFERENCED,
    "batchsubmit.condorosgce.remote_condor_collector": _UNREFERENCED,
    "batchsubmit.condorgram.*": _GRAM,
    "batchsubmit.condorgt2.*": _GRAM,
    "batchsubmit.condorgt5.*": _GRAM,
    "globusrsl.*": _GRAM,
    "batchsubmit.condorcream.*": "HTCondor no longer supports CREAM; use CondorCE",
    "batchsubmit.condornordugrid.*": "the plugin CondorNordugrid was removed; use CondorCE",
    "nordugridrsl.*": "the plugin CondorNordugrid was removed; use CondorCE",
    "batchsubmit.condorlsf.*": "the plugin CondorLSF was removed; use CondorLocal and condor_attributes",
    "batchsubmit.condorpbs.*": "the plugin CondorPBS was removed; use CondorLocal and condor_attributes",
    "batchsubmit.condorssh.*": "the plugin CondorSSH was removed; use CondorLocal and condor_attributes",
    "batchsubmit.condordeltacloud.*": "HTCondor no longer supports Deltacloud; use CondorEC2",
}
"""Keys of a queue that are no longer read, by pattern. They are warnings: the queue runs without them."""

QUEUE_REFUSED: Mapping[str, str] = {
    "wmsstatus.*.queryargs": "is not read; put the value of -name in the plugin's key schedd, that of -pool in pool",
    "batchstatus.condor.queryargs": _OWN_JOBS,
    "batchstatus.condorlocal.queryargs": _OWN_JOBS,
    "batchstatus.*.scheddhost": _OWN_JOBS,
    "batchstatus.*.collectorhost": _OWN_JOBS,
    "batchsubmit.*.submitargs": "is not read, because apf does not call condor_submit; set schedd in [Factory]",
}
"""Keys of a queue that are errors: ignored, the queue would query, or submit to, the wrong schedd."""

HARMLESS_VALUES = ("localhost", "None", "none", "")
"""Values with which a key of ``QUEUE_REFUSED`` changes nothing, and is a warning."""

BATCHSTATUS_ALIASES: Mapping[tuple[str, str], str] = {
    ("Condor", "CondorEC2"): "CondorEC2",
    ("CondorLocal", "CondorEC2"): "CondorEC2",
}
"""Batch status plugin to use in place of another one, by the pair of batch status and submit plugin. From 2.4.14 to
2.4.16 there was no CondorEC2, and Condor counted VM jobs too."""

PLUGINS: Mapping[tuple[str, str], str] = {
    ("wmsstatus", "Queue"): "never worked; use Condor or CondorLocal, and set wmsqueue",
    ("wmsstatus", "Cloud"): "was removed; use Condor",
    ("sched", "WeightedActivated"): "never worked after 2.3; use Ready, Scale",
    ("sched", "Fillactivated"): "never worked after 2.3; use Ready",
    ("sched", "KeepNQueueLife"): "never worked; use KeepNRunning",
    ("sched", "MaxToSubmit"): "never worked; use MaxPerCycle",
    ("sched", "MinToSubmit"): "never worked; use MinPerCycle",
    ("sched", "Simple"): "was removed; use Fixed, or Ready with MaxPerCycle and MaxPending",
    ("sched", "SimpleNQueue"): "was removed; use KeepNRunning",
    ("sched", "Trivial"): "was removed; use Fixed",
    ("batchsubmit", "Exec"): "never worked; use CondorLocal",
    ("batchsubmit", "CondorGT2"): "was removed, because HTCondor no longer supports GRAM; use CondorCE",
    ("batchsubmit", "CondorGT5"): "was removed, because HTCondor no longer supports GRAM; use CondorCE",
    ("batchsubmit", "CondorGRAM"): "was removed, because HTCondor no longer supports GRAM; use CondorCE",
    ("batchsubmit", "CondorCREAM"): "was removed, because HTCondor no longer supports CREAM; use CondorCE",
    ("batchsubmit", "CondorNordugrid"): "was removed; use CondorCE",
    ("batchsubmit", "CondorLSF"): "was removed; use CondorLocal and condor_attributes",
    ("batchsubmit", "CondorPBS"): "was removed; use CondorLocal and condor_attributes",
    ("batchsubmit", "CondorSSH"): "was removed; use CondorLocal and condor_attributes",
    ("batchsubmit", "CondorDeltaCloud"): "was removed, because HTCondor no longer supports Deltacloud; use CondorEC2",
    ("monitor", "Panda"): "was removed; use Log or APF",
}
"""Removed plugins, with their replacements. An installed plugin with the same name goes first."""


def _is_false(value: str) -> bool:
    return value.strip().lower() in {"false", "no", "off", "0"}


RISKY_VALUES: tuple[tuple[str, Callable[[str], bool], bool, str], ...] = (
    (
        "batchsubmit.*peaceful",
        _is_false,
        False,
        "allows a negative n, as from MaxPending, to remove running jobs; "
        "set sched.maxpending.allow_negative = False, or remove this key",
    ),
    (
        "sched.minpercycle.minimum",
        lambda value: value.strip().isdecimal(),
        True,
        "raises every negative n to this minimum, so no VM ever retires; remove MinPerCycle from schedplugin",
    ),
)
"""Values that probably do not do what the user wants.

Each row: pattern of the key, test of the value, True if it matters only to queues that buy VMs, text of the warning.
"""


class _Table:
    """Table of texts by pattern, as one regular expression, because thousands of keys are looked up in it."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = tuple(texts.values())
        self._match = re.compile("|".join(f"({translate(pattern)})" for pattern in texts)).match

    def find(self, key: str) -> str | None:
        """Return the text of the first pattern that the key matches, or None."""
        match = self._match(key)
        return self._texts[match.lastindex - 1] if match and match.lastindex else None


dead_factory_key = _Table(FACTORY).find
"""Text about a key of [Factory] that is no longer read, or None."""
dead_queue_key = _Table(QUEUE).find
"""Text about a key of a queue that is no longer read, or None."""
refused_queue_key = _Table(QUEUE_REFUSED).find
"""Text about a key of a queue that is refused, or None."""


VM_SUBMIT_PLUGINS = ("CondorEC2",)
"""Submit plugins that buy VMs."""


def risky_value(key: str, value: str, submitplugin: str | None) -> str | None:
    """Return a warning about a key with this value, in a queue with this submit plugin, or None."""
    buys = submitplugin in VM_SUBMIT_PLUGINS
    return next((text for test, vms_only, text in _tests(key) if (buys or not vms_only) and test(value)), None)


@cache
def _tests(key: str) -> tuple[tuple[Callable[[str], bool], bool, str], ...]:
    return tuple((test, vms_only, text) for pattern, test, vms_only, text in RISKY_VALUES if fnmatchcase(key, pattern))
