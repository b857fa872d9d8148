"""Why a job is idle, and why a queue wants so many machines: what a round knows, for people. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from factory.decide.decision import Decision
from factory.fit.share import FitResult
from factory.health.breakers import ALL, purchase_limit
from factory.health.canary import PROVEN
from factory.model.actions import Remove, Retire, Submit, Unretire
from factory.model.demand import Demand, JobGroup, Room
from factory.model.job import JobFacts
from factory.model.job_status import JobStatus
from factory.model.memory import Health
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import STARTING, VM, counted
from factory.report.status import what

_STATES: dict[int, str] = {
    JobStatus.RUNNING: "runs",
    JobStatus.REMOVED: "was removed",
    JobStatus.COMPLETED: "has completed",
    JobStatus.HELD: "is held",
    JobStatus.TRANSFERRING_OUTPUT: "transfers its output",
    JobStatus.SUSPENDED: "is suspended",
}
_SOME = 3
_SELECTION = re.compile(" [0-9a-f]+")
"""What the key of a group says of the selection that it is of, behind its schedd."""


def state_of(job: JobFacts) -> str | None:
    """Why the factory has nothing to do with a job, whatever queue it is for; None: it is idle."""
    if job.status == JobStatus.IDLE:
        return None
    where = f" on {job.remote_host}" if job.remote_host else ""
    why = f": {job.hold_reason}" if job.hold_reason else ""
    return f"{_STATES.get(job.status, f'has JobStatus {job.status}')}{where}{why}"


def explain_job(job: JobFacts, decision: Decision) -> Iterator[str]:
    """What one queue whose work it is does about an idle job."""
    work, chain = decision.wms, decision.chain
    if isinstance(work, Unknown) or work is None:
        yield f"blocked: {work.reason if work else 'nothing is known of its work'}"
        return
    if work.demand is None:
        yield f"counts jobs and does not look at each: {chain.reason}"
        yield f"the queue {doing_words(decision)}"
        return
    group = group_of(job, work.demand)
    if group is None:
        yield from _no_group(job, work.demand)
        return
    late = f", {group.unmaterialised} more are not materialised yet" if group.unmaterialised else ""
    alike = f"one of {group.count} idle jobs that ask" if group.count > 1 else "the only idle job that asks"
    yield f"{alike} for the same: {room_words(group.ask)}{late}"
    if group.problem is not None:
        yield f"nothing is bought for it: {group.problem}"
        return
    if chain.blocked is not None or chain.verdict is None:
        yield f"blocked: {chain.reason}"
        return
    yield from _placed(group, work.demand, decision, chain.verdict)
    if group.reject_reason:
        yield f"the negotiator said last: {group.reject_reason}"


def group_of(job: JobFacts, demand: Demand) -> JobGroup | None:
    """The group of a job: of its autocluster, else, since job and groups are read one after the other, of its asks.

    Of groups of one ask that of jobs without an autocluster comes first.
    """
    ours = [group for group in demand.groups if _may_have(group, job)]
    for group in ours:
        if group.key.split("#")[1] == str(job.autocluster):
            return group
    alike = [group for group in ours if (group.requirements, group.ask) == (job.requirements, job.ask)]
    return min(alike, key=lambda group: not group.key.split("#")[1].startswith("new "), default=None)


def _may_have(group: JobGroup, job: JobFacts) -> bool:
    """Whether a group is of jobs of this schedd and submitter that say the same of what machines refer to."""
    schedd, _, selection = group.key.partition("#")[0].partition(job.schedd)
    if schedd or not (selection == "" or _SELECTION.fullmatch(selection)):
        return False
    told = all(job.attributes.get(name, "undefined") == text for name, text in group.referenced)
    return told and (group.owner, group.accounting_group) == (job.owner, job.accounting_group)


def _no_group(job: JobFacts, demand: Demand) -> Iterator[str]:
    if job.left_out is not None:
        yield f"is not among the jobs that can run on a machine now: it is {job.left_out}"
        return
    yield "is not among the jobs that can run on a machine now"
    yield from (f"{jobs} idle jobs are left out: {why}" for why, jobs in demand.excluded.items())


def _placed(group: JobGroup, demand: Demand, decision: Decision, verdict: FitResult) -> Iterator[str]:
    batch = decision.batch
    purchase, key, left = verdict.purchase, group.key, verdict.left.get(group.key, 0)
    beyond, limit = verdict.admitted.beyond.get(key, 0), verdict.admitted.why.get(key)
    if beyond:
        yield f"{beyond} of them would not start whatever room there is: beyond the {limit}"
    if key in verdict.stuck:
        yield f"stuck, nothing is bought for them but a machine an hour to see: {verdict.stuck[key]}"
        if key in verdict.probing and coming(decision):
            yield f"this machine is bought now: {shapes_words(decision)}"
        return
    free = sorted(verdict.free.get(key, ()))
    if free:
        some = ", ".join(free[:_SOME]) + (", …" if len(free) > _SOME else "")
        machines = counted(len(free), "machine")
        yield f"room that fits {verdict.ready[key]} of them stands free on {machines} in the pool: {some}"
    if key in verdict.coming:
        known = batch.vms if isinstance(batch, BatchStatus) else ()
        way = [vm for vm in known if vm.state in STARTING and _may_serve(vm, group, demand)]
        vms = ", ".join(f"{vm.job} ({_type(vm)}, {vm.state.value})" for vm in way[:_SOME])
        which = f", VM jobs {vms}" if vms else " of other queues, or that these buy now"
        yield f"{verdict.coming[key]} of them wait for machines on their way{which}"
    if not left:
        return
    now, wanted = (purchase.covers(n).get(key, 0) for n in (coming(decision), len(purchase.order)))
    if now:
        yield f"machines for {now} of them are {_bought_words(decision)} now: {shapes_words(decision)}"
    if wanted > now:
        yield f"machines for {wanted - now} more would be bought, but {caps_words(decision)}"
    if key in verdict.maybe:
        yield "only a running machine can tell whether they fit; one is tried at a time"
    if key in purchase.unserved or key in verdict.maybe:
        yield from _against(group, demand, decision.queue, verdict)
    elif not wanted:
        why = next((f"{step.plugin}: {step.reason}" for step in decision.chain.steps if step.n_out <= 0), "")
        yield f"nothing is bought for {left} of them: {why or decision.chain.reason}"


def _may_serve(vm: VM, group: JobGroup, demand: Demand) -> bool:
    """Whether a VM on its way is, as far as is known, of a shape that these jobs match."""
    names = (vm.shape, f"{vm.queue} {vm.shape}")
    matches = [match for name in names if (match := demand.on_shapes.get((group.key, name))) is not None]
    return not matches or any(match.ok or match.maybe for match in matches)


def _against(group: JobGroup, demand: Demand, queue: str, verdict: FitResult) -> Iterator[str]:
    """For each shape what stands against it."""
    for (key, name), match in demand.on_shapes.items():
        whose, _, shape = name.rpartition(" ")
        if whose not in ("", queue):
            continue
        if key == group.key and not match.ok:
            yield f"{shape}: {match.why}"
        elif key == group.key:
            yield f"{shape}: matches, and has not the room for {room_words(group.ask)}"
    if group.key in verdict.purchase.unserved:
        yield "no machine that this queue may buy can serve it: nothing is bought for it"


def explain_queue(decision: Decision, now: float) -> Iterator[str]:
    """Why n machines and not one more or one fewer; which ones go, and why."""
    chain = decision.chain
    yield doing_words(decision)
    if chain.blocked is not None:
        yield f"blocked, so that the chain asks for nothing: {chain.blocked.text}"
    else:
        yield from (f"{step.plugin}: {step.n_in} → {step.n_out}: {step.reason}" for step in chain.steps)
    yield from (f"{type(each).__name__.lower()} {what(each)}: {each.reason}" for each in decision.actions)
    yield from (f"note: {note}" for note in decision.notes)
    yield from _health(decision, now)
    if chain.blocked is None and chain.verdict is not None:
        yield from _margin(decision, chain.verdict)


def _health(decision: Decision, now: float) -> Iterator[str]:
    """Shapes that failed, and images of which one machine comes first."""
    health, batch = decision.health or Health(), decision.batch
    vms = batch.vms if isinstance(batch, BatchStatus) else ()
    for shape in sorted(health.breakers):
        limit, why = purchase_limit(health, shape, vms, now)
        if any(why in note for note in decision.notes):
            continue
        yield f"{'any shape' if shape == ALL else shape}: {'nothing' if limit == 0 else 'one machine'} is bought: {why}"
    for image, known in sorted(health.canaries.items()):
        if known != PROVEN:
            yield f"{image} is new: {known}"


def _margin(decision: Decision, verdict: FitResult) -> Iterator[str]:
    """What one machine more or fewer would do for the jobs that wait."""
    asked, n = len(verdict.purchase.order), coming(decision)
    if asked and n:
        fewer = sum(verdict.purchase.covers(n).values()) - sum(verdict.purchase.covers(n - 1).values())
        yield f"not one fewer: {fewer} waiting jobs would have no machine"
    if asked > n:
        yield f"not one more: {caps_words(decision)}"
    elif asked:
        yield "not one more: every job that a machine of this queue can serve has room, or will"
    elif isinstance(decision.wms, WmsStatus):
        yield "not one more: no waiting job needs one that this queue can buy"


def coming(decision: Decision) -> int:
    """Machines that are bought or taken back now."""
    return sum(each.n if isinstance(each, Submit) else isinstance(each, Unretire) for each in decision.actions)


def doing_words(decision: Decision) -> str:
    """What is done now, in numbers."""
    kinds = Counter(type(each) for each in decision.actions if not (isinstance(each, Retire) and each.repeat))
    bought = sum(each.n for each in decision.actions if isinstance(each, Submit))
    back, leave, removed = kinds[Unretire], kinds[Retire], kinds[Remove]
    words = [f"buys {bought}"] if bought else []
    words += [f"takes {back} back"] if back else []
    words += [f"retires {leave}"] if leave else []
    words += [f"removes {removed}"] if removed else []
    return ", ".join(words) or "neither buys nor retires"


def _bought_words(decision: Decision) -> str:
    kinds = {type(each) for each in decision.actions}
    if Unretire not in kinds:
        return "bought"
    return "bought or taken back" if Submit in kinds else "taken back"


def caps_words(decision: Decision) -> str:
    """What made fewer of what was asked for: steps of the chain, and what the plan says."""
    chain = decision.chain
    caps = [f"{step.plugin} stands in the way ({step.reason})" for step in chain.steps if step.n_out < step.n_in]
    if coming(decision) < chain.ask.n:
        caps += decision.notes or ["machines that were called back before are still waited for"]
    return "; ".join(caps) or "the chain asks for fewer"


def shapes_words(decision: Decision) -> str:
    """What is bought or taken back, by instance type."""
    bought = [shape.instance_type for each in decision.actions if isinstance(each, Submit) for shape in each.shapes]
    back = [_type(each.vm) for each in decision.actions if isinstance(each, Unretire)]
    return ", ".join(f"{n} × {name}" for name, n in sorted(Counter(bought + back).items()))


def _type(vm: VM) -> str:
    """The instance type in the text of its shape."""
    return vm.shape.partition("/")[2].partition("/")[0] or vm.shape


def room_words(room: Room) -> str:
    """Resources for people."""
    words = [f"{room.cpus:g} core{'' if room.cpus == 1 else 's'}", f"{room.memory_mb:g} MB of memory"]
    words += [f"{room.disk_kb / 1024:.0f} MB of disk"] if room.disk_kb >= 1024 else []
    words += [f"{room.gpus:g} GPU{'' if room.gpus == 1 else 's'}"] if room.gpus else []
    return ", ".join(words)
