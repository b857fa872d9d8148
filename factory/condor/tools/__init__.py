"""Command-line tools of HTCondor, such as condor_off, condor_config_val and condor_token_fetch."""
