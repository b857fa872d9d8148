"""Command-line tools of HTCondor: condor_off, condor_config_val, condor_token_fetch and the like."""
