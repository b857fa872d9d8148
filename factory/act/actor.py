"""Carrying out a round: one loop over actions, with a seam after each step of each."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, repeat
from threading import Lock
from typing import TypeVar

from factory.act.other_schedds import OtherSchedds, ends_a_machine, query_other_schedds
from factory.condor.classad.literals import same_text
from factory.condor.connect import schedd_name
from factory.condor.schedd import actions as acts
from factory.condor.schedd.vm_jobs import our_vm_jobs, queue_vm_jobs
from factory.condor.tools import run as tools
from factory.condor.tools.budget import PARALLEL, CommandBudget, NotBegun
from factory.condor.tools.tokens import token_argv, token_subject
from factory.config.queues import Config, Queue
from factory.model.actions import Action, ClearRetire, Outcome, Release, Remove, Retire, Submit, Unretire
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.vm import VM, JobId
from factory.plugin.base import own_schedd
from factory.plugin.batchsubmit import BatchSubmitPlugin, JobOwner, Submission, SubmitTools, Token
from factory.process.deadline import run_bounded
from factory.process.faults import FAULTS, fault
from factory.process.workers import CallFailed, CallTimedOut, Workers, one_line
from factory.settings.factory import FactorySettings
from factory.state.directory import StateDir, write_private

T = TypeVar("T")

Hook = Callable[[str, Action], None]
"""Called after each step that leaves a trace outside the process: its name, and the action it belongs to."""

_TOKEN_S = 2
"""A plugin may take so long for each VM of a submission, beyond the deadline of a call."""


def _attempt(action: Action) -> int:
    """Machines that do not obey come last, so that they take no time from the others."""
    return action.attempt if isinstance(action, Retire | Unretire) else 1


def no_hook(step: str, action: Action) -> None:
    """The usual ``after``: go on."""


def retire_time(vm: VM, now: float) -> int:
    """APFRetireTime: later than an earlier return, whatever the clock says (``VM.wanted_back``)."""
    return max(int(now), int(vm.unretire_time or 0) + 1)


def unretire_time(vm: VM, now: float) -> int:
    """APFUnretireTime: not before the retirement that it takes back, whatever the clock says."""
    return max(int(now), int(vm.retire_time or 0))


@dataclass(frozen=True)
class Actor:
    """Carries out actions. What one action raises is its outcome, and stops no other."""

    config: Config
    workers: Workers
    statedir: StateDir
    incarnation: str
    keep_fds: tuple[int, ...] = ()
    """Descriptors that commands inherit: the lock that a successor waits for."""
    after: Hook = no_hook
    silent: frozenset[str] = frozenset()
    """Addresses that did not answer when they were polled."""
    _hung: set[str] = field(default_factory=set)
    _turns: dict[str, Lock] = field(default_factory=dict)
    """Calls to one schedd wait for each other here, so that they see that it hangs."""

    def act(self, actions: Iterable[Action]) -> tuple[Outcome, ...]:
        """Carry out the actions: those of one kind side by side, kinds in the order given."""
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="act") as threads:
            for _, alike in groupby(actions, key=type):
                group = sorted(alike, key=_attempt)
                endings = [action for action in group if ends_a_machine(action)]
                elsewhere = query_other_schedds(
                    endings, self._schedd, self.config, self.silent, self._on_machines, threads
                )
                outcomes += threads.map(self._outcome, group, repeat(elsewhere))
        return tuple(outcomes)

    def _on_machines(self, schedd: ScheddAddress, startds: Collection[str]) -> Mapping[str, str]:
        return self._call(acts.jobs_on_startds, schedd, sorted(startds))

    def _outcome(self, action: Action, elsewhere: OtherSchedds) -> Outcome:
        objection = elsewhere.objection(action) if ends_a_machine(action) else None
        if objection is not None:
            return Outcome(action, error=objection)
        try:
            return Outcome(action, jobs=tuple(self._perform(action)))
        except NotBegun as error:
            return Outcome(action, error=str(error), tried=False)
        except (CallFailed, tools.ToolError) as error:
            return Outcome(action, error=str(error))
        except Exception as error:  # noqa: BLE001 - a submit plugin's fault, a file that can't be read
            return Outcome(action, error=one_line(error))

    def _perform(self, action: Action) -> Sequence[JobId]:
        match action:
            case Submit():
                return self._submit(action)
            case Remove():
                return self._remove(action)
            case Release():
                self._release(action)
            case Retire():
                self._retire(action)
            case Unretire():
                self._unretire(action)
            case ClearRetire():
                self._edit(
                    action.vm, f"APFUnretireTime =?= {action.vm.unretire_time:.0f}", "APFRetireTime", "undefined"
                )
                self.after("cleared", action)
        return (action.vm.job,)

    def _submit(self, action: Submit) -> Sequence[JobId]:
        plugin = self._plugin(action.queue)
        submission = self._submission(plugin, action)
        self.after("prepared", action)
        for directory in submission.directories:
            directory.mkdir(parents=True, exist_ok=True)
        for path, content in submission.files.items():
            write_private(self.statedir.userdata / path.rsplit("/", 1)[-1], content)
        self.after("userdata written", action)
        submitted: Sequence[JobId] = self._call(
            acts.submit,
            submission.schedd,
            submission.description,
            submission.items,
            self._cap(submission, action),
            self._own("true"),
        )
        self.after("submitted", action)
        return submitted

    def _cap(self, submission: Submission, action: Submit) -> tuple[str, int] | None:
        """The constraint that selects the queue's VM jobs, and how many there may be; orphans take room (rule 6)."""
        if submission.maximum is None:
            return None
        jobs = queue_vm_jobs(self._factory.owner, self._factory.id, action.queue)
        return jobs, submission.maximum - action.orphans

    def _submission(self, plugin: BatchSubmitPlugin, action: Submit) -> Submission:
        """What the plugin wants submitted; a plugin that does not come back is left behind."""
        limit_s = self._factory.deadline + _TOKEN_S * action.n
        submit_tools = self._submit_tools(action.queue, limit_s)
        try:
            submission = run_bounded(lambda: plugin.submission(action.n, action.shapes, submit_tools), limit_s)
        except tools.ToolError:
            raise
        except FAULTS as error:
            raise CallFailed(f"plugin {plugin.name} failed: {fault(error)}") from error
        if not isinstance(submission, Submission):
            raise CallFailed(f"plugin {plugin.name} answered {type(submission).__name__}, not Submission")
        return submission

    def _submit_tools(self, queue: str, limit_s: float) -> SubmitTools:
        pool = PoolAddress(self._factory.pool)
        return SubmitTools(
            now=time.time(),
            owner=JobOwner.of_factory(self._factory, queue, self.incarnation),
            userdata=self.statedir.userdata,
            logs=self.statedir.logs,
            pool=self._collector,
            environment=self._environment(queue, limit_s),
            uuid=lambda: str(uuid.uuid4()),
            token=lambda lifetime_s: self._token(pool, lifetime_s),
            schedd=lambda: self._schedd_name,
        )

    def _token(self, pool: PoolAddress, lifetime_s: int) -> Token:
        text = self._run(token_argv(pool, lifetime_s)).strip()
        return Token(text, token_subject(text))

    def _environment(self, queue: str, limit_s: float) -> Mapping[str, str]:
        """What the queue's monitors want jobs to know."""
        found: dict[str, str] = {}
        for monitor in self._queues[queue].monitors:
            try:
                found |= run_bounded(monitor.environment, limit_s)
            except FAULTS as error:
                raise CallFailed(f"plugin {monitor.name} failed: {fault(error)}") from error
        return found

    def _remove(self, action: Remove) -> Sequence[JobId]:
        vm = action.vm
        startd = None if vm is None else vm.uuid
        absent = (self._pool, vm.uuid) if vm is not None and action.absent else None
        still = self._own(action.still)
        self._call(acts.remove, self._schedd, action.job, still, action.reason, startd, absent, action.master)
        self.after("removed", action)
        return (action.job,)

    def _release(self, action: Release) -> None:
        vm = action.vm
        checks = (vm.uuid, (self._pool, vm.uuid)) if action.ends else ()
        self._call(acts.release, self._schedd, vm.job, self._ours(action.still), action.reason, *checks)
        self.after("released", action)

    def _retire(self, action: Retire) -> None:
        vm = action.vm
        if not action.repeat:
            self._edit(vm, "JobStatus =!= 3", "APFRetireTime", str(retire_time(vm, time.time())))
            self.after("retirement noted", action)
        if vm.startd is None:
            return  # it retires when it joins: a later round sends the command
        if action.method == "off":
            self._commands.run(tools.off_argv(self._pool, vm.startd))
        else:
            for slot in vm.slots[:1]:
                self._commands.run(tools.drain_argv(self._pool, slot, f"apf {self._factory.id}: {action.reason}"))
        self.after("told to retire", action)

    def _unretire(self, action: Unretire) -> None:
        vm = action.vm
        if not vm.wanted_back:
            self._edit(vm, "JobStatus =!= 3", "APFUnretireTime", str(unretire_time(vm, time.time())))
            self.after("return noted", action)
        if vm.drain is not None:
            for slot in vm.slots[:1]:
                self._commands.run(tools.cancel_argv(self._pool, slot))
        elif vm.startd is not None:
            if vm.claims and not vm.retire_seen:  # a drain that its ads do not show yet, or none at all
                with contextlib.suppress(tools.ToolError):
                    self._commands.run(tools.cancel_argv(self._pool, vm.slots[0]))
            self._commands.run(tools.on_argv(self._pool, vm.startd))
        self.after("told to return", action)

    def _edit(self, vm: VM, still: str, attribute: str, value: str) -> None:
        self._call(
            acts.edit, self._schedd, vm.job, self._ours(f"{still} && {same_text('APFVM', vm.uuid)}"), attribute, value
        )

    def _call(self, function: Callable[..., T], schedd: ScheddAddress, *args: object) -> T:
        """A call to a schedd. Once it has not answered, this round asks it for nothing more (rule 12)."""
        address = str(schedd)
        with self._turns.setdefault(address, Lock()):
            if address in self._hung:
                raise CallFailed(f"not tried: {address} did not answer an earlier action of this round")
            try:
                return self.workers.call(address, self._factory.deadline, function, schedd, *args)
            except CallTimedOut:
                self._hung.add(address)
                raise

    def _run(self, argv: list[str]) -> str:
        return tools.run_tool(argv, self._factory.command_timeout, self.keep_fds)

    def _own(self, still: str) -> str:
        """VM jobs and plain jobs of this factory."""
        factory = self._factory
        return f"{same_text('Owner', factory.owner)} && {same_text('APFFactory', factory.id)} && ({still})"

    def _ours(self, still: str) -> str:
        return f"{our_vm_jobs(self._factory.owner, self._factory.id)} && ({still})"

    def _plugin(self, queue: str) -> BatchSubmitPlugin:
        return self._queues[queue].batchsubmit

    @cached_property
    def _commands(self) -> CommandBudget:
        return CommandBudget(self._factory.command_timeout, self.keep_fds)

    @cached_property
    def _queues(self) -> dict[str, Queue]:
        return {queue.name: queue for queue in self.config.all_queues}

    @cached_property
    def _collector(self) -> str:
        """The collector that machines join; asked of HTCondor's configuration once."""
        return self._factory.pool or tools.run_tool(["condor_config_val", "COLLECTOR_HOST"], 10).strip()

    @cached_property
    def _schedd_name(self) -> str:
        """What VM jobs' instances are tagged with."""
        return self._call(schedd_name, self._schedd)

    @property
    def _factory(self) -> FactorySettings:
        return self.config.factory

    @property
    def _schedd(self) -> ScheddAddress:
        return own_schedd(self._factory)

    @property
    def _pool(self) -> PoolAddress:
        return PoolAddress(self._factory.pool)
