"""The elastic cluster end to end: PanDA's jobs become pilots, pilots that wait become VMs, and all go away again.

    make demo-panda        python -m localcloud.pandademo --help

Two queues, as at a site: the first turns activated jobs into pilots of the local pool, the second idle pilots into
VMs. The PanDA server is a stand-in (``localcloud.panda``) that gives its jobs to the pilots and hears of their end;
pool, cloud, VMs and factory are those of ``localcloud.demo``.
"""
