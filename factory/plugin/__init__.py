"""The plugin API, one module per category. A plugin author imports from here and from nowhere else.

A plugin is one class in one module, found by an entry point of its category whose name is the name
that stands in queues.conf: ``apf.wmsstatus``, ``apf.batchstatus``, ``apf.sched``, ``apf.batchsubmit``,
``apf.cloud``, ``apf.monitor``. Its settings are the fields of its inner ``Settings`` model, read from
``<category>.<name in lower case>.<field>`` of the queue's section.
"""

from __future__ import annotations

from factory.condor.classad.expressions import ATTRIBUTE as ATTRIBUTE
from factory.condor.classad.expressions import checked_expression as checked_expression
from factory.condor.schedd.history import HistorySource as HistorySource
from factory.condor.schedd.history import HistoryWindow as HistoryWindow
from factory.condor.schedd.history import RecentJobs as RecentJobs
from factory.fit.share import FitResult as FitResult
from factory.fit.share import Share as Share
from factory.lifecycle.policy import VMPolicy as VMPolicy
from factory.lifecycle.timeouts import Timeouts as Timeouts
from factory.model.actions import Plan as Plan
from factory.model.actions import Remove as Remove
from factory.model.actions import Submit as Submit
from factory.model.address import PoolAddress as PoolAddress
from factory.model.address import ScheddAddress as ScheddAddress
from factory.model.ask import Ask as Ask
from factory.model.cloud import Account as Account
from factory.model.cloud import CloudAct as CloudAct
from factory.model.cloud import CloudRows as CloudRows
from factory.model.cloud import InstanceRow as InstanceRow
from factory.model.demand import Demand as Demand
from factory.model.demand import Offer as Offer
from factory.model.demand import Room as Room
from factory.model.demand import Template as Template
from factory.model.demand import VMLease as VMLease
from factory.model.job_status import FINISHED as FINISHED
from factory.model.job_status import ON_MACHINE as ON_MACHINE
from factory.model.job_status import JobStatus as JobStatus
from factory.model.ledger import Cost as Cost
from factory.model.memory import Health as Health
from factory.model.memory import Memory as Memory
from factory.model.shape import Shape as Shape
from factory.model.source import Reading as Reading
from factory.model.source import Readings as Readings
from factory.model.source import Source as Source
from factory.model.status import BatchStatus as BatchStatus
from factory.model.status import SiteStatus as SiteStatus
from factory.model.status import Unknown as Unknown
from factory.model.status import WmsStatus as WmsStatus
from factory.model.vm import IN_POOL as IN_POOL
from factory.model.vm import PENDING as PENDING
from factory.model.vm import RETIREMENT as RETIREMENT
from factory.model.vm import RUNNING as RUNNING
from factory.model.vm import UNCLAIMED as UNCLAIMED
from factory.model.vm import VM as VM
from factory.model.vm import PlainJob as PlainJob
from factory.model.vm import VMState as VMState
from factory.model.vm import counted as counted
from factory.plugin import files as files
from factory.plugin.base import Jobs as Jobs
from factory.plugin.base import Plugin as Plugin
from factory.plugin.base import PluginSettings as PluginSettings
from factory.plugin.base import own_schedd as own_schedd
from factory.plugin.batchstatus import BatchStatusPlugin as BatchStatusPlugin
from factory.plugin.batchsubmit import BatchSubmitPlugin as BatchSubmitPlugin
from factory.plugin.batchsubmit import JobOwner as JobOwner
from factory.plugin.batchsubmit import MachineFacts as MachineFacts
from factory.plugin.batchsubmit import Submission as Submission
from factory.plugin.batchsubmit import SubmitTools as SubmitTools
from factory.plugin.batchsubmit import Token as Token
from factory.plugin.batchsubmit import VMSubmitPlugin as VMSubmitPlugin
from factory.plugin.batchsubmit import log_name as log_name
from factory.plugin.cloud import CloudPlugin as CloudPlugin
from factory.plugin.finding import Finding as Finding
from factory.plugin.monitor import MonitorPlugin as MonitorPlugin
from factory.plugin.sched import AskPlugin as AskPlugin
from factory.plugin.sched import AskStep as AskStep
from factory.plugin.sched import Info as Info
from factory.plugin.sched import SchedPlugin as SchedPlugin
from factory.plugin.sched import Step as Step
from factory.plugin.sched import View as View
from factory.plugin.wmsstatus import WmsStatusPlugin as WmsStatusPlugin
from factory.process.http import Access as Access
from factory.process.http import HttpError as HttpError
from factory.process.http import call as call
from factory.process.http import checked_url as checked_url
from factory.settings.factory import FactorySettings as FactorySettings
from factory.settings.queue import QueueSettings as QueueSettings
from factory.settings.types import CommaList as CommaList
from factory.settings.types import Duration as Duration
from factory.settings.types import KeepLines as KeepLines
from factory.settings.types import Named as Named
from factory.settings.types import Settings as Settings
from factory.settings.types import Switch as Switch
from factory.settings.types import split_list as split_list
