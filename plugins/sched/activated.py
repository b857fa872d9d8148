"""Activated: demand and all its bounds in one plugin, as in older configurations."""

from typing import Any

from pydantic import Field

from factory.plugin import Info, PluginSettings, SchedPlugin, SiteStatus, Step, Switch, View

_WITHOUT_SITES = {None, "Condor", "CondorLocal"}
"""Values of ``wmsstatusplugin`` that know no sites."""


class Activated(SchedPlugin):
    """Ask for machines for waiting jobs, within bounds and according to the status of the site.

    n_out ignores n. It starts as max(0, ready - pending). Then each bound applies that is set and not 0:

    1. at most max_jobs_torun - (pending + running),
    2. at least min_pilots_pending - pending,
    3. at most max_pilots_per_cycle,
    4. at least min_pilots_per_cycle,
    5. at most max_pilots_pending - pending, which is below zero if too many are pending.

    While the site is ``offline``, n_out = 0. While it is ``test`` and testmode.allowed is on,
    n_out = testmode.pilots, or 0 if more than testmode.max_pending are pending. Same law as AutoPyFactory's
    Activated, except for its ``default``: here the chain is blocked while something is unknown. HTCondor as the
    WMS knows no sites, so the status of the site is then not needed.
    """

    needs = frozenset({Info.WMS, Info.BATCH, Info.SITE})

    class Settings(PluginSettings):
        max_jobs_torun: int | None = None
        """Most pending plus running at once; none or 0: no bound."""
        min_pilots_pending: int | None = None
        """Least pending at once; none or 0: no bound."""
        max_pilots_per_cycle: int | None = None
        """Most added in one cycle; none or 0: no bound."""
        min_pilots_per_cycle: int | None = None
        """Least added in one cycle; none or 0: no bound."""
        max_pilots_pending: int | None = None
        """Most pending at once; none or 0: no bound."""
        testmode_allowed: Switch = Field(default=False, alias="testmode.allowed")
        """Apply the ``testmode`` keys while the site is ``test``; if off, it counts as online."""
        testmode_pilots: int = Field(default=0, alias="testmode.pilots")
        """Number to ask for each cycle while the site is ``test``."""
        testmode_max_pending: int = Field(default=10, alias="testmode.max_pending")
        """Ask for nothing while the site is ``test`` and more than this are pending."""

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
            return Step(n_out, f"the site is test, {pending} of at most {most} pending")
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
                    n, why = bounded, f"{why}; {key} = {bound} makes it {bounded}"
        return Step(n, why)
