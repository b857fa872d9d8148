"""What is polled beside what plugins name."""

from pathlib import Path

from factory.condor.schedd.evictable_jobs import EvictableSource
from factory.model.address import ScheddAddress
from factory.observe.sources import plan_sources
from tests.rig.queues import PILOTS, VMS, make_queue


def test_every_schedd_whose_jobs_may_run_on_our_machines_says_which_of_these_to_spare(tmp_path: Path) -> None:
    """Rule 5; the factory's own schedd says so with the VM jobs."""
    work = {"wmsstatusplugin": "Condor", "wmsqueue": "Q"}
    vms = make_queue(tmp_path, {**VMS, **work, "wmsstatus.condor.schedd": "other"}, "VMS")
    local = make_queue(tmp_path, {**VMS, **work, "wmsstatusplugin": "CondorLocal"}, "LOCAL")
    pilots = make_queue(tmp_path, PILOTS, "PILOTS")
    found = plan_sources([vms, local, pilots])
    sources = [source for source in found.sources.values() if isinstance(source, EvictableSource)]
    assert [source.schedd for source in sources] == [ScheddAddress("other")]
    (key,) = (source.key for source in sources)
    assert [name for name, keys in found.keys.items() if key in keys] == ["VMS", "LOCAL"]
    assert not [source for source in plan_sources([local]).sources.values() if isinstance(source, EvictableSource)]
