"""Ask a queue's submit plugin and monitors for a submission, within a time limit."""

from __future__ import annotations

from collections.abc import Mapping

from factory.condor.tools.run import ToolError
from factory.config.queues import Queue
from factory.model.actions import Submit
from factory.plugin.batchsubmit import Submission, SubmitTools
from factory.process.deadline import run_bounded
from factory.process.faults import FAULTS, fault
from factory.process.workers import CallFailed


def ask_submission(queue: Queue, action: Submit, submit_tools: SubmitTools, limit_s: float) -> Submission:
    """Ask the submit plugin for the submission; a plugin that does not return in time is abandoned.

    Raises:
        CallFailed: the plugin failed, took too long, or answered something else.
        ToolError: a tool that the plugin needs failed, such as ``condor_token_fetch``.
    """
    plugin = queue.batchsubmit
    try:
        submission = run_bounded(lambda: plugin.submission(action.n, action.shapes, submit_tools), limit_s)
    except ToolError:
        raise
    except FAULTS as error:
        raise CallFailed(f"plugin {plugin.name} failed: {fault(error)}") from error
    if not isinstance(submission, Submission):
        raise CallFailed(f"plugin {plugin.name} answered {type(submission).__name__}, not Submission")
    return submission


def job_environment(queue: Queue, limit_s: float) -> Mapping[str, str]:
    """Return the environment variables that the queue's monitors want jobs to have.

    Raises:
        CallFailed: a monitor failed or took too long.
    """
    variables: dict[str, str] = {}
    for monitor in queue.monitors:
        try:
            variables |= run_bounded(monitor.environment, limit_s)
        except FAULTS as error:
            raise CallFailed(f"plugin {monitor.name} failed: {fault(error)}") from error
    return variables
