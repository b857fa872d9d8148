"""The demo: an HTCondor pool, a local cloud and the factory run a scenario end to end and report on it.

    make demo [KEEP=1]      make demo-panda [KEEP=1]      python -m localcloud.demo --help

All daemons are real. Figures come from the place where something happened: jobs from the schedd's history and the
event logs, instances from the cloud, decisions from the factory's journal.
"""
