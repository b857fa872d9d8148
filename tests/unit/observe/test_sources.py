"""Sources that are polled in addition to those of the plugins."""

from pathlib import Path

from factory.condor.schedd.evictable_jobs import EvictableSource
from factory.model.address import ScheddAddress
from factory.observe.sources import plan_sources
from tests.rig.queues import PILOTS, VMS, make_queue


def test_evictable_jobs_of_other_schedds_are_polled(tmp_path: Path) -> None:
    """Rule 5. Those of the factory's own schedd come with the VM jobs."""
    work = {"wmsstatusplugin": "Condor", "wmsqueue": "Q"}
    vms = make_queue(tmp_path, {**VMS, **work, "wmsstatus.condor.schedd": "other"}, "VMS")
    local = make_queue(tmp_path, {**VMS, **work, "wmsstatusplugin": "CondorLocal"}, "LOCAL")
    pilots = make_queue(tmp_path, PILOTS, "PILOTS")
    plan = plan_sources([vms, local, pilots])
    sources = [source for source in plan.sources.values() if isinstance(source, EvictableSource)]
    assert [source.schedd for source in sources] == [ScheddAddress("other")]
    (key,) = (source.key for source in sources)
    assert [name for name, keys in plan.keys.items() if key in keys] == ["VMS", "LOCAL"]
    assert not [source for source in plan_sources([local]).sources.values() if isinstance(source, EvictableSource)]
