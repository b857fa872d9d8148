"""Carry out a round: one loop over actions, with a hook after each step."""

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

from factory.act.other_schedds import OtherSchedds, may_end_vm, query_other_schedds
from factory.act.submission import ask_submission, job_environment
from factory.condor.classad.literals import same_text
from factory.condor.connect import schedd_name
from factory.condor.schedd import actions as acts
from factory.condor.schedd.vm_jobs import our_vm_jobs, queue_vm_jobs
from factory.condor.tools import run as tools
from factory.condor.tools.budget import PARALLEL, CommandBudget, NotBegun
from factory.condor.tools.tokens import token_argv, token_subject
from factory.config.queues import Config, Queue
from factory.model.actions import (
    Action,
    ClearRetire,
    Outcome,
    Release,
    Remove,
    Retire,
    Submit,
    Unretire,
    retire_time,
    unretire_time,
)
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.job import RunningJob
from factory.model.vm import VM, JobId
from factory.plugin.base import own_schedd
from factory.plugin.batchsubmit import JobOwner, Submission, SubmitTools, Token
from factory.process.workers import CallFailed, CallTimedOut, Workers, one_line
from factory.settings.factory import FactorySettings
from factory.state.directory import StateDir, write_private

T = TypeVar("T")

Hook = Callable[[str, Action], None]
"""Function called with the name of a step and its action, after each step that leaves a trace outside the process."""

_PLUGIN_VM_S = 2
"""Time that a submit plugin may take for each VM, in addition to the deadline of a call."""


def _attempt(action: Action) -> int:
    """Return the sort key by which unresponsive startds come last, so that they do not delay the rest."""
    return action.attempt if isinstance(action, Retire | Unretire) else 1


def no_hook(step: str, action: Action) -> None:
    """Do nothing: the default hook."""


@dataclass(frozen=True)
class Actor:
    """Carries out actions. An action that fails has its error as outcome, and the others go on."""

    config: Config
    workers: Workers
    statedir: StateDir
    incarnation: str
    keep_fds: tuple[int, ...] = ()
    """Descriptors that commands inherit: the lock for which a successor waits."""
    after: Hook = no_hook
    silent: frozenset[str] = frozenset()
    """Addresses that did not answer the polls of this round."""
    _hung: set[str] = field(default_factory=set)
    _call_locks: dict[str, Lock] = field(default_factory=dict)
    """Locks by address: calls to one schedd run one after the other, so that each sees if an earlier one hung."""

    def act(self, actions: Iterable[Action]) -> tuple[Outcome, ...]:
        """Carry out the actions: actions of one kind in parallel, kinds in the order given."""
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="act") as threads:
            for _, of_kind in groupby(actions, key=type):
                group = sorted(of_kind, key=_attempt)
                endings = [action for action in group if may_end_vm(action)]
                others = query_other_schedds(
                    endings, self._schedd, self.config, self.silent, self._jobs_on_startds, threads
                )
                outcomes += threads.map(self._outcome, group, repeat(others))
        return tuple(outcomes)

    def _jobs_on_startds(self, schedd: ScheddAddress, startds: Collection[str]) -> Mapping[str, RunningJob]:
        return self._call(acts.jobs_on_startds, schedd, sorted(startds))

    def _outcome(self, action: Action, others: OtherSchedds) -> Outcome:
        if may_end_vm(action) and (objection := others.objection(action)) is not None:
            return Outcome(action, error=objection, kept_by=others.job_on(action))
        try:
            return Outcome(action, jobs=tuple(self._perform(action)))
        except NotBegun as error:
            return Outcome(action, error=str(error), tried=False)
        except CallFailed as error:
            cause = error.__cause__
            return Outcome(action, error=str(error), kept_by=cause.job if isinstance(cause, acts.StillUsed) else None)
        except tools.ToolError as error:
            return Outcome(action, error=str(error))
        except Exception as error:  # noqa: BLE001 - a fault of a submit plugin, an unreadable file
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
        queue = self._queues[action.queue]
        limit_s = self._factory.deadline + _PLUGIN_VM_S * action.n
        submission = ask_submission(queue, action, self._submit_tools(queue, limit_s), limit_s)
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
            self._our_jobs("true"),
        )
        self.after("submitted", action)
        return submitted

    def _cap(self, submission: Submission, action: Submit) -> tuple[str, int] | None:
        """Return the constraint for the queue's VM jobs and their maximum, less instances without one (rule 6)."""
        if submission.maximum is None:
            return None
        jobs = queue_vm_jobs(self._factory.owner, self._factory.id, action.queue)
        return jobs, submission.maximum - action.unowned

    def _submit_tools(self, queue: Queue, limit_s: float) -> SubmitTools:
        pool = PoolAddress(self._factory.pool)
        return SubmitTools(
            now=time.time(),
            owner=JobOwner.of_factory(self._factory, queue.name, self.incarnation),
            userdata=self.statedir.userdata,
            logs=self.statedir.logs,
            pool=self._collector,
            environment=job_environment(queue, limit_s),
            uuid=lambda: str(uuid.uuid4()),
            token=lambda lifetime_s: self._token(pool, lifetime_s),
            schedd=lambda: self._schedd_name,
        )

    def _token(self, pool: PoolAddress, lifetime_s: int) -> Token:
        text = self._run(token_argv(pool, lifetime_s)).strip()
        return Token(text, token_subject(text))

    def _remove(self, action: Remove) -> Sequence[JobId]:
        vm = action.vm
        startd = None if vm is None or action.despite_jobs else vm.uuid
        absent = (self._pool, vm.uuid) if vm is not None and action.absent else None
        still = self._our_jobs(action.still)
        self._call(acts.remove, self._schedd, action.job, still, action.reason, startd, absent, action.master)
        self.after("removed", action)
        return (action.job,)

    def _release(self, action: Release) -> None:
        vm = action.vm
        checks = (vm.uuid, (self._pool, vm.uuid)) if action.ends else ()
        self._call(acts.release, self._schedd, vm.job, self._our_vm_jobs(action.still), action.reason, *checks)
        self.after("released", action)

    def _retire(self, action: Retire) -> None:
        vm = action.vm
        if not action.repeat:
            self._edit(vm, "JobStatus =!= 3", "APFRetireTime", str(retire_time(vm, time.time())))
            self.after("retire recorded", action)
        if vm.startd is None:
            return  # a later round sends the command when its startd has joined
        if action.method == "off":
            self._commands.run(tools.off_argv(self._pool, vm.startd))
        else:
            for slot in vm.slots[:1]:
                self._commands.run(tools.drain_argv(self._pool, slot, f"apf {self._factory.id}: {action.reason}"))
        self.after("retire sent", action)

    def _unretire(self, action: Unretire) -> None:
        vm = action.vm
        if not vm.unretired:
            self._edit(vm, "JobStatus =!= 3", "APFUnretireTime", str(unretire_time(vm, time.time())))
            self.after("unretire recorded", action)
        if vm.drain is not None:
            for slot in vm.slots[:1]:
                self._commands.run(tools.cancel_argv(self._pool, slot))
        elif vm.startd is not None:
            if vm.claims and not vm.retire_seen:  # its ads may not show the drain yet
                with contextlib.suppress(tools.ToolError):
                    self._commands.run(tools.cancel_argv(self._pool, vm.slots[0]))
            self._commands.run(tools.on_argv(self._pool, vm.startd))
        self.after("unretire sent", action)

    def _edit(self, vm: VM, still: str, attribute: str, value: str) -> None:
        self._call(
            acts.edit,
            self._schedd,
            vm.job,
            self._our_vm_jobs(f"{still} && {same_text('APFVM', vm.uuid)}"),
            attribute,
            value,
        )

    def _call(self, function: Callable[..., T], schedd: ScheddAddress, *args: object) -> T:
        """Call a schedd. After one call without an answer this round calls it no more (rule 12)."""
        address = str(schedd)
        with self._call_locks.setdefault(address, Lock()):
            if address in self._hung:
                raise CallFailed(f"not tried: {address} did not answer an earlier action of this round")
            try:
                return self.workers.call(address, self._factory.deadline, function, schedd, *args)
            except CallTimedOut:
                self._hung.add(address)
                raise

    def _run(self, argv: list[str]) -> str:
        return tools.run_tool(argv, self._factory.command_timeout, self.keep_fds)

    def _our_jobs(self, still: str) -> str:
        """Return the constraint for VM jobs and plain jobs of this factory."""
        factory = self._factory
        return f"{same_text('Owner', factory.owner)} && {same_text('APFFactory', factory.id)} && ({still})"

    def _our_vm_jobs(self, still: str) -> str:
        return f"{our_vm_jobs(self._factory.owner, self._factory.id)} && ({still})"

    @cached_property
    def _commands(self) -> CommandBudget:
        return CommandBudget(self._factory.command_timeout, self.keep_fds)

    @cached_property
    def _queues(self) -> dict[str, Queue]:
        return {queue.name: queue for queue in self.config.all_queues}

    @cached_property
    def _collector(self) -> str:
        """Collector that VMs join, from the settings or once from HTCondor's configuration."""
        return self._factory.pool or tools.run_tool(["condor_config_val", "COLLECTOR_HOST"], 10).strip()

    @cached_property
    def _schedd_name(self) -> str:
        """Full name of our schedd, with which instances are tagged."""
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
