"""The demo: pool, local cloud and factory side by side, jobs that come, VMs that come and go.

    make demo [KEEP=1]        python -m localcloud.demo --help

Nothing in it is a mock, and every figure of its report is measured where the thing happened: jobs in the schedd's
history and in their event log, instances at the cloud, decisions in the factory's journal.
"""
