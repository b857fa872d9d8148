"""Activated: demand with all its bounds in one plugin, as older configurations have it."""

from typing import Any

from pydantic import Field

from factory.plugin import Info, PluginSettings, SchedPlugin, SiteStatus, Step, Switch, View

_WITHOUT_SITES = {None, "Condor", "CondorLocal"}
"""Values of ``wmsstatusplugin`` with which there is no status of a site to wait for."""


class Activated(SchedPlugin):
    """Ask for what waits and is not yet provided for, within bounds; depends on the site's status.

    Whatever n was, n_out starts as max(0, ready - pending), and then, each where it is set and not 0:

    1. at most max_jobs_torun - (pending + running),
    2. at least min_pilots_pending - pending,
    3. at most max_pilots_per_cycle,
    4. at least min_pilots_per_cycle,
    5. at most max_pilots_pending - pending, which is below zero when too many are pending.

    While the site is ``offline`` n_out = 0. While it is ``test`` and testmode.allowed is on,
    n_out = testmode.pilots, or 0 with more than testmode.max_pending pending. Same law as AutoPyFactory's
    Activated, whose ``default`` has no place here: the chain holds when something is unknown. With HTCondor
    as the WMS, which knows no sites, the status of the site is not waited for.
    """

    needs = frozenset({Info.WMS, Info.BATCH, Info.SITE})

    class Settings(PluginSettings):
        max_jobs_torun: int | None = None
        """Pending and running at once, at most; none or 0: no bound."""
        min_pilots_pending: int | None = None
        """Pending at once, at least; none or 0: no bound."""
        max_pilots_per_cycle: int | None = None
        """Added in one cycle, at most; none or 0: no bound."""
        min_pilots_per_cycle: int | None = None
        """Added in one cycle, at least; none or 0: no bound."""
        max_pilots_pending: int | None = None
        """Pending at once, at most; none or 0: no bound."""
        testmode_allowed: Switch = Field(default=False, alias="testmode.allowed")
        """Whether a site in ``test`` is treated in its own way, and not as if it were online."""
        testmode_pilots: int = Field(default=0, alias="testmode.pilots")
        """What to ask for each cycle while the site is ``test``."""
        testmode_max_pending: int = Field(default=10, alias="testmode.max_pending")
        """With more than this pending nothing is asked for while the site is ``test``."""

    settings: Settings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.queue.wmsstatusplugin in _WITHOUT_SITES:
            self.needs = frozenset({Info.WMS, Info.BATCH})

    def step(self, n: int, view: View) -> Step:
        pending = view.batch.pending
        status = view.site_or_unknown.status if isinstance(view.site_or_unknown, SiteStatus) else ""
        if status == "offline":
            return Step(0, "the site is offline")
        if status == "test" and self.settings.testmode_allowed:
            most = self.settings.testmode_max_pending
            n_out = 0 if pending > most else self.settings.testmode_pilots
            return Step(n_out, f"the site is test, {pending} pending of at most {most}")
        return self._online(view.wms.ready, pending, view.batch.running)

    def _online(self, ready: int, pending: int, running: int) -> Step:
        of = self.settings
        n, why = max(0, ready - pending), f"{ready} ready, {pending} pending"
        bounds = (
            (min, "max_jobs_torun", of.max_jobs_torun, pending + running),
            (max, "min_pilots_pending", of.min_pilots_pending, pending),
            (min, "max_pilots_per_cycle", of.max_pilots_per_cycle, 0),
            (max, "min_pilots_per_cycle", of.min_pilots_per_cycle, 0),
            (min, "max_pilots_pending", of.max_pilots_pending, pending),
        )
        for choose, key, bound, here in bounds:
            if bound:
                bounded = choose(n, bound - here)
                if bounded != n:
                    n, why = bounded, f"{why}; {bounded} by {key} = {bound}"
        return Step(n, why)
