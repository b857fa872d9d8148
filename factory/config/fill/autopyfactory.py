"""Keys and plugins of AutoPyFactory that are not read any more, and what takes their place.

Both generations are here: up to 2.4.10 (``proxymanager``, ``wmsstatus.maxtime``) and after it
(``authmanager``, ``config.queues.plugin``). An old spelling of a key that lives on stands at its field
instead (``json_schema_extra={"old": ...}``), and a key that a plugin has is never looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase, translate
from functools import cache

_AUTH = "credentials are keys of the plugin that uses them; remove it"
_LOG_SERVER = "there is no log server; let a web server show baseLogDir, and name it in baseLogDirUrl"
_SIGHUP = "the files are read again on SIGHUP (systemctl reload apf); remove it"
_AGIS = "queues come from files: write what AGIS says into one; remove it"
_MONITOR = "monitors are named for each queue, by monitorsection; remove it"
_MAIL = "apf sends no mail; watch its log, its metrics or apf status; remove it"
_EFFECTLESS = "had no effect in AutoPyFactory either; remove it"
_HELPER = "only %(…)s in another key can use it, and none does; remove it, or put x- before it"
_PORT = "the collector says where the schedd listens; remove it"
_GRAM = "GRAM is gone from HTCondor; remove it"
_PROXY = "apf handles no X.509 proxies; use tokens (SciTokens, IDTOKENs) and remove it"
_OWN_JOBS = "is not read; the factory's jobs are in [Factory] schedd, which [Factory] pool knows"

FACTORY: Mapping[str, str] = {
    "factoryUser": "jobs belong to the account that apf runs as; remove it",
    "factorySMTPServer": _MAIL,
    "factoryMinEmailRepeatSeconds": _MAIL,
    "factory.sleep": "each queue has its own apfqueue.sleep; remove it",
    "cycles": "apf runs until it is stopped; apf --once runs one round; remove it",
    "abort_no_queues": "apf runs on without queues and waits for a reload; remove it",
    "authmanager.*": _AUTH,
    "authConf": _AUTH,
    "proxymanager.*": _AUTH,
    "proxyConf": _AUTH,
    "mappingsConf": "what each JobStatus means is no setting any more; remove it",
    "logserver.*": _LOG_SERVER,
    "config.reconfig": _SIGHUP,
    "config.reconfig.interval": _SIGHUP,
    "reconfig": _SIGHUP,
    "config.interval": _SIGHUP,
    "config.file.*": _SIGHUP,
    "config.queues.plugin": "queues come from files: queueConf and queueDirConf; remove it",
    "config.auth.plugin": _AUTH,
    "config.queues.agis.*": _AGIS,
    "config.agis.*": _AGIS,
    "configplugin": "queues come from files: queueConf and queueDirConf; remove it",
    "monitor": _MONITOR,
    "monitor.*": _MONITOR,
    "wmsstatus.queue.*": "the WMS status plugin Queue never worked; remove it",
    "wmsstatus.maximum": "was misnamed in the documentation and never read; write [Factory] maxage",
    "enabled": "only queues have it; enablequeues = False stops all of them",
}
"""Keys of [Factory] that are dead, by pattern."""

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
"""Keys that stood in [Factory], with the keys of plugins that they set in every queue."""

SLEEP = "what a queue reads is read anew each time that it is due (apfqueue.sleep); remove it"

QUEUE: Mapping[str, str] = {
    "cloud": _HELPER,
    "status": _EFFECTLESS,
    "override": _EFFECTLESS,
    "autofill": _EFFECTLESS,
    "batchqueue": _HELPER,
    "grid": _HELPER,
    "vo": _HELPER,
    "req": _HELPER,
    "hold": _HELPER,
    "remove": _HELPER,
    "creamattr": _HELPER,
    "periodic_hold": _HELPER,
    "periodic_remove": _HELPER,
    "executable.defaultarguments": _HELPER,
    "queueargs": _EFFECTLESS,
    "sched.simple.*": "the sched plugin Simple is gone; use Fixed, or Ready with MaxPerCycle and MaxPending",
    "sched.simplenqueue.*": "the sched plugin SimpleNQueue is gone; use KeepNRunning",
    "sched.trivial.*": "the sched plugin Trivial is gone; use Fixed",
    "sched.weightedactivated.*": "the sched plugin WeightedActivated never worked; use Ready, Scale",
    "sched.fillactivated.*": "the sched plugin Fillactivated never worked; use Ready",
    "sched.keepnqueuelife.*": "the sched plugin KeepNQueueLife never worked; use KeepNRunning",
    "sched.activated.default": "was the answer when something is unknown, and then the chain holds; remove it",
    "sched.statustest.allowed": _EFFECTLESS,
    "sched.statusoffline.allowed": _EFFECTLESS,
    "wmsstatus.*.scheddport": _PORT,
    "batchstatus.*.scheddport": _PORT,
    "batchstatus.*.collectorport": "write it behind the host, in [Factory] pool; remove it",
    "batchhistory.*": _EFFECTLESS,
    "batchhistoryplugin": _EFFECTLESS,
    "wmsstatus.condorqueryargs": _EFFECTLESS,
    "wmsstatus.*.password_file": "HTCondor's own configuration says how its daemons are told who asks; remove it",
    "batchstatus.condorec2.queryargs": _EFFECTLESS,
    "wmsstatus.queue.*": "the WMS status plugin Queue never worked; remove it",
    "batchsubmit.condorec2.peaceful": "machines always leave peacefully; remove it",
    "batchsubmit.condorec2.overlay.peaceful": "machines always leave peacefully; remove it",
    "batchsubmit.condorec2.killorder": "machines without an instance go first, then the idle ones; remove it",
    "batchsubmit.condorec2.overlay.killorder": "machines without an instance go first, then the idle ones; remove it",
    "batchsubmit.condorec2.environ": "machines have no environment of jobs; remove it",
    "batchsubmit.condorec2.usessh": "machines are reached through HTCondor alone; remove it",
    "batchsubmit.condorec2.proxy": "EC2 needs no X.509 proxy; remove it",
    "batchsubmit.*.proxy": _PROXY,
    "batchsubmit.*.proxyfile": _PROXY,
    "batchsubmit.condorosgce.remote_condor_schedd": _HELPER,
    "batchsubmit.condorosgce.remote_condor_collector": _HELPER,
    "batchsubmit.condorgram.*": _GRAM,
    "batchsubmit.condorgt2.*": _GRAM,
    "batchsubmit.condorgt5.*": _GRAM,
    "globusrsl.*": _GRAM,
    "batchsubmit.condorcream.*": "CREAM is gone from HTCondor; use CondorCE",
    "batchsubmit.condornordugrid.*": "the plugin CondorNordugrid is gone; use CondorCE",
    "nordugridrsl.*": "the plugin CondorNordugrid is gone; use CondorCE",
    "batchsubmit.condorlsf.*": "the plugin CondorLSF is gone; use CondorLocal and condor_attributes",
    "batchsubmit.condorpbs.*": "the plugin CondorPBS is gone; use CondorLocal and condor_attributes",
    "batchsubmit.condorssh.*": "the plugin CondorSSH is gone; use CondorLocal and condor_attributes",
    "batchsubmit.condordeltacloud.*": "Deltacloud is gone; use CondorEC2",
}
"""Keys of a queue's section that are dead, by pattern. They are warnings: the queue runs without them."""

QUEUE_REFUSED: Mapping[str, str] = {
    "wmsstatus.*.queryargs": "is not read; write what follows -name as the plugin's key schedd, and -pool as pool",
    "batchstatus.condor.queryargs": _OWN_JOBS,
    "batchstatus.condorlocal.queryargs": _OWN_JOBS,
    "batchstatus.*.scheddhost": _OWN_JOBS,
    "batchstatus.*.collectorhost": _OWN_JOBS,
    "batchsubmit.*.submitargs": "is not read: nothing calls condor_submit; name the schedd in [Factory]",
}
"""Dead keys without which a queue would look, or submit, where it should not: errors."""

SAY_NOTHING = ("localhost", "None", "none", "")
"""With one of these values a key of ``QUEUE_REFUSED`` says what is so anyway."""

BATCHSTATUS: Mapping[tuple[str, str], str] = {
    ("Condor", "CondorEC2"): "CondorEC2",
    ("CondorLocal", "CondorEC2"): "CondorEC2",
}
"""Batch status plugins that stood for another one beside this submit plugin: from 2.4.14 to 2.4.16 there was no
CondorEC2, and Condor counted VM jobs as well."""

PLUGINS: Mapping[tuple[str, str], str] = {
    ("wmsstatus", "Queue"): "never worked; name the work with Condor or CondorLocal and wmsqueue",
    ("wmsstatus", "Cloud"): "is gone; use Condor",
    ("sched", "WeightedActivated"): "never worked after 2.3; use Ready, Scale",
    ("sched", "Fillactivated"): "never worked after 2.3; use Ready",
    ("sched", "KeepNQueueLife"): "never worked; use KeepNRunning",
    ("sched", "MaxToSubmit"): "never worked; use MaxPerCycle",
    ("sched", "MinToSubmit"): "never worked; use MinPerCycle",
    ("sched", "Simple"): "is gone; use Fixed, or Ready with MaxPerCycle and MaxPending",
    ("sched", "SimpleNQueue"): "is gone; use KeepNRunning",
    ("sched", "Trivial"): "is gone; use Fixed",
    ("batchsubmit", "Exec"): "never worked; use CondorLocal",
    ("batchsubmit", "CondorGT2"): "is gone, as GRAM is gone from HTCondor; use CondorCE",
    ("batchsubmit", "CondorGT5"): "is gone, as GRAM is gone from HTCondor; use CondorCE",
    ("batchsubmit", "CondorGRAM"): "is gone, as GRAM is gone from HTCondor; use CondorCE",
    ("batchsubmit", "CondorCREAM"): "is gone, as CREAM is gone from HTCondor; use CondorCE",
    ("batchsubmit", "CondorNordugrid"): "is gone; use CondorCE",
    ("batchsubmit", "CondorLSF"): "is gone; use CondorLocal and condor_attributes",
    ("batchsubmit", "CondorPBS"): "is gone; use CondorLocal and condor_attributes",
    ("batchsubmit", "CondorSSH"): "is gone; use CondorLocal and condor_attributes",
    ("batchsubmit", "CondorDeltaCloud"): "is gone, as Deltacloud is; use CondorEC2",
    ("monitor", "Panda"): "is gone; use Log, or APF",
}
"""Plugins that are not there any more, unless another package brings one of that name."""


def _no(value: str) -> bool:
    return value.strip().lower() in {"false", "no", "off", "0"}


def _yes(value: str) -> bool:
    return value.strip().lower() in {"true", "yes", "on", "1"}


DANGEROUS: tuple[tuple[str, Callable[[str], bool], bool, str], ...] = (
    (
        "batchsubmit.*peaceful",
        _no,
        False,
        "lets a negative n remove jobs that run; MaxPending makes one unless allow_negative = False",
    ),
    (
        "sched.minpercycle.minimum",
        lambda value: value.strip().isdecimal(),
        True,
        "lifts every request to retire up to this, so that no machine ever retires",
    ),
)
"""Keys that are read, with values that do what one hardly wants.

Pattern of the key, test of the value, whether it matters only where machines are bought, what to know.
"""


class _Table:
    """A table by pattern, to be asked for many keys: one regular expression of all its patterns."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = tuple(texts.values())
        self._match = re.compile("|".join(f"({translate(pattern)})" for pattern in texts)).match

    def find(self, key: str) -> str | None:
        """The text of the first pattern that the key fits."""
        found = self._match(key)
        return self._texts[found.lastindex - 1] if found and found.lastindex else None


dead_factory_key = _Table(FACTORY).find
"""What to do about a dead key of [Factory]; None: it is none."""
dead_queue_key = _Table(QUEUE).find
"""What to do about a dead key of a queue that runs without it."""
refused_queue_key = _Table(QUEUE_REFUSED).find
"""What to do about a dead key without which a queue must not run."""


BUYS = ("CondorEC2",)
"""Submit plugins that buy machines."""


def danger(key: str, value: str, submitplugin: str | None) -> str | None:
    """What to know about a key with this value, in a queue with this submit plugin."""
    buys = submitplugin in BUYS
    return next((text for test, only, text in _dangers(key) if (buys or not only) and test(value)), None)


@cache
def _dangers(key: str) -> tuple[tuple[Callable[[str], bool], bool, str], ...]:
    return tuple((test, only, text) for pattern, test, only, text in DANGEROUS if fnmatchcase(key, pattern))
