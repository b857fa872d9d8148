"""An EC2 API whose instances are real HTCondor startds on this host, for the demo, for tests and for experiments.

    python -m localcloud --port 5000 --dir DIR [--flavour amazon|openstack] [--boot-delay S] [--shutdown-delay S]

HTCondor uses the endpoint ``http://ec2.us-east-1.localhost:PORT/``, since ec2_gahp reads service and region from the
host name. boto3 can also use ``http://127.0.0.1:PORT/``. The files DIR/access_key and DIR/secret_key hold the
credentials. DIR/ready.json appears when the API answers and names all of these. In a test or a script::

    with CloudProcess(tmp_path / "cloud", boot_delay_s=0.5) as cloud:      # localcloud.process
        submit(f"grid_resource = ec2 {cloud.url}", cloud.access_key_file, cloud.secret_key_file)
        cloud.wait(lambda instances: ..., "the instance runs")             # see also instances(), requests()
        cloud.client().describe_instances()                                # boto3

Each instance has DIR/instances/<id>/ as its root directory, with ``console.log``, ``etc/condor`` and
``var/log/condor``. The local cloud writes ``etc/condor/condor_config`` with the settings of image and hardware.
All else comes from user-data (cloud-config, plain or a jinja template), whose ``write_files`` land under that root.
The content of such a file must not contain absolute paths; use the macros LOCAL_DIR, SEC_TOKEN_DIRECTORY, … instead.
"""
