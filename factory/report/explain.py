"""Explanations for people: why a job is idle, and why a queue buys or retires VMs. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from factory.decide.decision import Decision
from factory.fit.share import FitResult
from factory.health.breakers import ALL, purchase_limit
from factory.health.canary import PROVEN
from factory.model.actions import Remove, Retire, Submit, Unretire
from factory.model.demand import Demand, JobGroup, Machine, Room
from factory.model.job import JobFacts
from factory.model.job_status import JobStatus
from factory.model.memory import Health
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import STARTING, VM, counted
from factory.report.status import action_target

_STATES: dict[int, str] = {
    JobStatus.RUNNING: "is running",
    JobStatus.REMOVED: "was removed",
    JobStatus.COMPLETED: "has completed",
    JobStatus.HELD: "is held",
    JobStatus.TRANSFERRING_OUTPUT: "is transferring its output",
    JobStatus.SUSPENDED: "is suspended",
}
_SHOWN = 3
"""Machines or VM jobs that one line names."""
_SELECTION = re.compile(" [0-9a-f]+")
"""Digest of the selection of jobs, which may follow the schedd in the key of a job group."""


def state_of(job: JobFacts) -> str | None:
    """Return the state of a job that needs no machine; None if the job is idle."""
    if job.status == JobStatus.IDLE:
        return None
    where = f" on {job.remote_host}" if job.remote_host else ""
    why = f": {job.hold_reason}" if job.hold_reason else ""
    return f"{_STATES.get(job.status, f'has JobStatus {job.status}')}{where}{why}"


def explain_job(job: JobFacts, decision: Decision) -> Iterator[str]:
    """Yield lines on what a queue that serves an idle job does about it."""
    work, chain = decision.wms, decision.chain
    if isinstance(work, Unknown) or work is None:
        yield f"blocked: {work.reason if work else 'the work of the queue was not read'}"
        return
    if work.demand is None:
        yield f"the chain counts jobs and does not match each of them with machines: {chain.reason}"
        yield f"the queue {done_words(decision)}"
        return
    group = group_of(job, work.demand)
    if group is None:
        yield from _left_out(job, work.demand)
        return
    later = f", {group.unmaterialised} more not materialised yet" if group.unmaterialised else ""
    if group.varies or group.problem is not None:
        alike = f"one of {group.count} idle jobs" if group.count > 1 else "the only idle job"
        yield f"{alike}{' whose request depends on the machine' if group.varies else ' of its kind'}{later}"
    else:
        alike = f"one of {group.count} idle jobs that request" if group.count > 1 else "the only idle job that requests"
        yield f"{alike} {room_words(group.ask)}{later}"
    if group.problem is not None:
        yield f"nothing is bought for it: {group.problem}"
        return
    if chain.blocked is not None or chain.verdict is None:
        yield f"blocked: {chain.reason}"
        return
    yield from _placement(group, work.demand, decision, chain.verdict)
    if group.reject_reason:
        yield f"last reason of the negotiator: {group.reject_reason}"


def group_of(job: JobFacts, demand: Demand) -> JobGroup | None:
    """Return the group of a job: the one of its autocluster, else one with the same requests.

    The schedd may put a job into another autocluster between the two queries that read the groups and the job. Among
    groups with the same requests, that of jobs without an autocluster comes first.
    """
    candidates = [group for group in demand.groups if _may_contain(group, job)]
    for group in candidates:
        if group.key.split("#")[1] == str(job.autocluster):
            return group
    alike = [
        group
        for group in candidates
        if group.requirements == job.requirements and (group.varies or group.ask == job.ask)
    ]
    return min(alike, key=lambda group: not group.key.split("#")[1].startswith("new "), default=None)


def _may_contain(group: JobGroup, job: JobFacts) -> bool:
    """True if schedd, submitter and the attributes that machines refer to are those of the job."""
    schedd, _, selection = group.key.partition("#")[0].partition(job.schedd)
    if schedd or not (selection == "" or _SELECTION.fullmatch(selection)):
        return False
    same = all(job.attributes.get(name, "undefined") == text for name, text in group.referenced)
    return same and (group.owner, group.accounting_group) == (job.owner, job.accounting_group)


def _left_out(job: JobFacts, demand: Demand) -> Iterator[str]:
    if job.left_out is not None:
        yield f"left out of the waiting jobs: it is {job.left_out}"
        return
    yield "not among the waiting jobs that the last poll counted"
    for why, jobs in demand.excluded.items():
        yield f"{counted(jobs, 'idle job')} {'is' if jobs == 1 else 'are'} left out: {why}"


def _placement(group: JobGroup, demand: Demand, decision: Decision, verdict: FitResult) -> Iterator[str]:
    """Yield lines on the machines that the jobs of a group wait for, and on those that are bought for them."""
    key = group.key
    beyond, limit = verdict.admitted.beyond.get(key, 0), verdict.admitted.why.get(key)
    if beyond:
        yield f"{_exceed(beyond)} the {limit}; more machines would not start {'it' if beyond == 1 else 'them'}"
    if key in verdict.stuck:
        yield f"stuck: {verdict.stuck[key]}; one machine per hour is bought as a probe"
        if key in verdict.probing and coming(decision):
            yield f"buys the probe now: {shapes_words(decision)}"
        return
    yield from _machines_there(group, demand, decision, verdict)
    if verdict.left.get(key, 0):
        yield from _machines_bought(group, demand, decision, verdict)


def _machines_there(group: JobGroup, demand: Demand, decision: Decision, verdict: FitResult) -> Iterator[str]:
    """Yield lines on machines that are up or starting."""
    key, batch = group.key, decision.batch
    free = sorted(verdict.free.get(key, ()))
    if free:
        names = ", ".join(free[:_SHOWN]) + (", …" if len(free) > _SHOWN else "")
        machines = counted(len(free), "machine")
        yield f"{_fit(verdict.ready[key])} free room on {machines} in the pool: {names}"
    if key in verdict.coming:
        known = batch.vms if isinstance(batch, BatchStatus) else ()
        starting = [vm for vm in known if vm.state in STARTING and _may_serve(vm, group, demand)]
        jobs = ", ".join(f"{vm.job} ({_type(vm)}, {vm.state.value})" for vm in starting[:_SHOWN])
        which = f"VMs that are starting: {jobs}" if jobs else "VMs of other queues that are starting or bought now"
        yield f"{_fit(verdict.coming[key])} {which}"
    asleep = [machine.name for machine in demand.machines if machine.offline and _would_fit(group, machine, demand)]
    if asleep:
        machines = "1 machine that would fit is" if len(asleep) == 1 else f"{len(asleep)} machines that would fit are"
        yield f"{machines} asleep (Offline = true) and no free room: {', '.join(asleep[:_SHOWN])}"


def _would_fit(group: JobGroup, machine: Machine, demand: Demand) -> bool:
    match = demand.on_kinds.get((group.key, machine.kind))
    return match is not None and match.ok and machine.free.holds(match.ask or group.ask)


def _machines_bought(group: JobGroup, demand: Demand, decision: Decision, verdict: FitResult) -> Iterator[str]:
    """Yield lines on what is bought for the jobs that are left, and why no more."""
    key, purchase = group.key, verdict.purchase
    now, wanted = (purchase.covers(n).get(key, 0) for n in (coming(decision), len(purchase.order)))
    if now:
        yield f"{_bought_words(decision)} {shapes_words(decision)} now, for {now} of them"
    if wanted > now:
        yield f"buys no machine for {wanted - now} more of them: {caps_words(decision)}"
    if key in verdict.maybe:
        yield "only a running machine can show if they fit; one machine is tried at a time"
    if key in purchase.unserved or key in verdict.maybe:
        yield from _mismatches(group, demand, decision.queue, verdict)
    elif not wanted:
        why = next((f"{step.plugin}: {step.reason}" for step in decision.chain.steps if step.n_out <= 0), "")
        yield f"nothing is bought for {verdict.left[key]} of them: {why or decision.chain.reason}"


def _exceed(jobs: int) -> str:
    return f"{jobs} of them {'exceeds' if jobs == 1 else 'exceed'}"


def _fit(jobs: int) -> str:
    return f"{jobs} of them {'fits' if jobs == 1 else 'fit'}"


def _may_serve(vm: VM, group: JobGroup, demand: Demand) -> bool:
    """True unless the shape of a starting VM is known not to match the jobs of the group."""
    names = (vm.shape, f"{vm.queue} {vm.shape}")
    matches = [match for name in names if (match := demand.on_shapes.get((group.key, name))) is not None]
    return not matches or any(match.ok or match.maybe for match in matches)


def _mismatches(group: JobGroup, demand: Demand, queue: str, verdict: FitResult) -> Iterator[str]:
    """Yield, for each shape of the queue, the reason why it does not serve the group."""
    for (key, name), match in demand.on_shapes.items():
        owner, _, shape = name.rpartition(" ")
        if owner not in ("", queue):
            continue
        if key == group.key and not match.ok:
            yield f"{shape}: {match.why}"
        elif key == group.key:
            yield f"{shape}: matches, but is too small for {room_words(match.ask or group.ask)}"
    if group.key in verdict.purchase.unserved:
        yield "nothing is bought for it: no shape of this queue serves it"


def explain_queue(decision: Decision, now: float) -> Iterator[str]:
    """Yield lines on what a queue does: its chain, each action with its reason, and why not one VM more or fewer."""
    chain = decision.chain
    yield done_words(decision)
    if chain.blocked is not None:
        yield f"blocked: {chain.blocked.text}"
    else:
        yield from (f"{step.plugin}: {step.n_in} → {step.n_out}: {step.reason}" for step in chain.steps)
    yield from (f"{type(each).__name__.lower()} {action_target(each)}: {each.reason}" for each in decision.actions)
    yield from (f"note: {note}" for note in decision.notes)
    yield from _health(decision, now)
    if chain.blocked is None and chain.verdict is not None:
        yield from _margin(decision, chain.verdict)


def _health(decision: Decision, now: float) -> Iterator[str]:
    """Yield lines on shapes that wait after a failure, and on images that are not proven yet."""
    health, batch = decision.health or Health(), decision.batch
    vms = batch.vms if isinstance(batch, BatchStatus) else ()
    for shape in sorted(health.breakers):
        limit, why = purchase_limit(health, shape, vms, now)
        if any(why in note for note in decision.notes):
            continue
        name, most = "all shapes" if shape == ALL else shape, "nothing" if limit == 0 else "one machine at most"
        yield f"{name}: buys {most} ({why})"
    for image, known in sorted(health.canaries.items()):
        if known != PROVEN:
            yield f"canary {image}: {known}"


def _margin(decision: Decision, verdict: FitResult) -> Iterator[str]:
    """Yield lines on the waiting jobs that one machine more or fewer would serve."""
    asked, n = len(verdict.purchase.order), coming(decision)
    if asked and n:
        fewer = sum(verdict.purchase.covers(n).values()) - sum(verdict.purchase.covers(n - 1).values())
        yield f"not one fewer: {counted(fewer, 'waiting job')} would have no machine"
    if asked > n:
        yield f"not one more: {caps_words(decision)}"
    elif asked:
        yield "not one more: all waiting jobs that this queue can serve fit machines that are up, starting or bought"
    elif isinstance(decision.wms, WmsStatus):
        yield "not one more: no waiting job needs a machine of this queue"


def coming(decision: Decision) -> int:
    """Return the number of machines that are bought or unretired now."""
    return sum(each.n if isinstance(each, Submit) else isinstance(each, Unretire) for each in decision.actions)


def done_words(decision: Decision) -> str:
    """Return the actions of a decision in numbers, such as "buys 2, unretires 1"."""
    kinds = Counter(type(each) for each in decision.actions if not (isinstance(each, Retire) and each.repeat))
    bought = sum(each.n for each in decision.actions if isinstance(each, Submit))
    unretired, retired, removed = kinds[Unretire], kinds[Retire], kinds[Remove]
    words = [f"buys {bought}"] if bought else []
    words += [f"unretires {unretired}"] if unretired else []
    words += [f"retires {retired}"] if retired else []
    words += [f"removes {removed}"] if removed else []
    return ", ".join(words) or "neither buys nor retires"


def _bought_words(decision: Decision) -> str:
    kinds = {type(each) for each in decision.actions}
    if Unretire not in kinds:
        return "buys"
    return "buys or unretires" if Submit in kinds else "unretires"


def caps_words(decision: Decision) -> str:
    """Return why fewer machines come than the jobs need: caps of the chain, and notes of the plan."""
    chain = decision.chain
    caps = [f"capped by {step.plugin} ({step.reason})" for step in chain.steps if step.n_out < step.n_in]
    if coming(decision) < chain.ask.n:
        caps += decision.notes or ["VMs that were unretired earlier are not back in service yet"]
    return "; ".join(caps) or "the chain asks for fewer"


def shapes_words(decision: Decision) -> str:
    """Return the machines that are bought or unretired now, counted by instance type."""
    bought = [shape.instance_type for each in decision.actions if isinstance(each, Submit) for shape in each.shapes]
    unretired = [_type(each.vm) for each in decision.actions if isinstance(each, Unretire)]
    return ", ".join(f"{n} × {name}" for name, n in sorted(Counter(bought + unretired).items()))


def _type(vm: VM) -> str:
    """Return the instance type of a VM, or its whole shape if that names none."""
    return vm.shape.partition("/")[2].partition("/")[0] or vm.shape


def room_words(room: Room) -> str:
    """Return resources in words, such as "2 cores, 64 MB of memory"."""
    words = [f"{room.cpus:g} core{'' if room.cpus == 1 else 's'}", f"{room.memory_mb:g} MB of memory"]
    words += [f"{room.disk_kb / 1024:.0f} MB of disk"] if room.disk_kb >= 1024 else []
    words += [f"{room.gpus:g} GPU{'' if room.gpus == 1 else 's'}"] if room.gpus else []
    words += [f"{amount:g} {name}" for name, amount in room.custom]
    return ", ".join(words)
