"""Configuration of a personal pool: short intervals, loopback only, all files in one directory."""

import getpass
from collections.abc import Mapping
from pathlib import Path

_CONFIG = """\
{parts}
LOCAL_DIR = {root}
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR = {root}/config.d
LOG = $(LOCAL_DIR)/log
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
ETC = $(LOCAL_DIR)
SEC_PASSWORD_DIRECTORY = $(LOCAL_DIR)/passwords.d
SEC_TOKEN_DIRECTORY = $(LOCAL_DIR)/tokens.d
SEC_TOKEN_SYSTEM_DIRECTORY = $(LOCAL_DIR)/tokens.d

CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
USE_SHARED_PORT = False
DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR, SCHEDD
SCHEDD_NAME = {name}
MASTER_NAME = {name}
UID_DOMAIN = {domain}
TRUST_DOMAIN = {domain}

use security:recommended_v9_0
# The daemons run as the user, who is also the administrator and runs the factory.
ALLOW_DAEMON = {user}@{domain}, condor@{domain}
ALLOW_NEGOTIATOR = $(ALLOW_DAEMON)
ALLOW_ADMINISTRATOR = $(ALLOW_DAEMON)
# A VM's token has the same identity, limited to these rights.
ALLOW_ADVERTISE_STARTD = {user}@{domain}
ALLOW_ADVERTISE_MASTER = {user}@{domain}

# Short intervals, since people and tests wait for them.
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
NEGOTIATOR_UPDATE_INTERVAL = 5
MASTER_UPDATE_INTERVAL = 5
PERIODIC_EXPR_INTERVAL = 5
PERIODIC_EXPR_TIMESLICE = 0.5
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 3
GRIDMANAGER_JOB_PROBE_INTERVAL = 2
GRIDMANAGER_CONTACT_SCHEDD_DELAY = 1
GRIDMANAGER_RESOURCE_PROBE_INTERVAL = 5
GRIDMANAGER_EMPTY_RESOURCE_DELAY = 5
GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2 = 1000
GRIDMANAGER_GAHPCLIENT_DEBUG_SIZE = 2000
EC2_GAHP_RATE_LIMIT = 0
EC2_GAHP_LOG = $(LOG)/EC2GahpLog.$(USERNAME)
{extra}
"""


def pool_config(root: Path, port: int, name: str, domain: str, parts: Mapping[str, str], extra: str) -> str:
    """Return a pool's condor_config; ``parts`` locates the installation, ``extra`` comes last."""
    return _CONFIG.format(
        parts="\n".join(f"{key} = {value}" for key, value in parts.items()),
        root=root,
        port=port,
        name=name,
        user=getpass.getuser(),
        domain=domain,
        extra=extra,
    )
