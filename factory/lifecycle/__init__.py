"""Plan how VMs live: how they join, age, retire, come back and are removed. Pure."""
