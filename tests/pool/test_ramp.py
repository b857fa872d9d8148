"""The main task: buy machines for idle jobs and retire machines without work."""

import json
from pathlib import Path

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import Factory, alive, instances
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def secrets_of(cloud: CloudProcess, factory: Factory) -> list[str]:
    """Return the secret key and the signatures of the tokens of the VMs."""
    roots = [Path(machine["directory"]) for machine in instances(cloud, factory)]
    tokens = [(root / "etc/condor/tokens.d/apf").read_text().strip() for root in roots]
    assert len(tokens) == 3
    assert all(token.count(".") == 2 for token in tokens)
    return [cloud.secret_key_file.read_text().strip(), *(token.rsplit(".", 1)[1] for token in tokens)]


def readable(pool: Pool, factory: Factory) -> dict[str, str]:
    """Return everything that the factory wrote, showed or submitted."""
    vm_jobs = f'APFFactory == "{factory.id}"'
    texts = {str(path): path.read_text() for path in factory.state.iterdir() if path.is_file()}
    texts["the log"] = factory.log_text()
    texts["the VM jobs"] = json.dumps(pool.history(vm_jobs))
    assert len(pool.history(vm_jobs)) == 3
    for words in (("status",), ("status", "--json"), ("status", "--vms"), ("check",)):
        said = factory.run(*words)
        assert said.stdout, said.stderr
        texts[f"apf {' '.join(words)}"] = said.stdout + said.stderr
    return texts


def test_buys_machines_for_jobs_and_retires_idle_ones(
    pool: Pool, cloud: CloudProcess, make_factory: MakeFactory
) -> None:
    factory = make_factory(sched__maxtorun__maximum=3)
    jobs = Work(factory).submit(4)
    with factory:
        until(lambda: factory.actions("submit"), "the first VM is asked for")
        jobs.wait_running(3)
        assert factory.states()["busy"] <= 3
        secrets = secrets_of(cloud, factory)
        jobs.open()
        jobs.wait_done()
        until(lambda: len(instances(cloud, factory)) >= 3 and not alive(cloud, factory), "all instances end", 60, 0.5)
        until(lambda: not factory.vm_jobs(), "the VM jobs leave the queue", 20, 0.5)
        until(lambda: not list((factory.state / "userdata").iterdir()), "the user-data files are swept", 10)
    assert sum(action["what"].startswith("3 ×") for action in factory.actions("submit")) == 1
    assert len(factory.actions("submit")) == 1, "no second VM is bought while one boots"
    assert len(instances(cloud, factory)) == 3

    for name, text in readable(pool, factory).items():
        for secret in secrets:
            assert secret not in text, f"{name} shows a secret (rule 11)"
