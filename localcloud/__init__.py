"""An EC2 API whose instances are real HTCondor startds on this machine: for the demo, for tests, to try things out.

    python -m localcloud --port 5000 --dir DIR [--flavour amazon|openstack] [--boot-delay S] [--shutdown-delay S]

The endpoint for HTCondor is ``http://ec2.us-east-1.localhost:PORT/`` (ec2_gahp reads service and region from the host
name); boto3 may as well use ``http://127.0.0.1:PORT/``. Credentials are in DIR/access_key and DIR/secret_key, and
DIR/ready.json says all that when the API answers. In a test or a script::

    with CloudProcess(tmp_path / "cloud", boot_delay_s=0.5) as cloud:      # localcloud.process
        submit(f"grid_resource = ec2 {cloud.url}", cloud.access_key_file, cloud.secret_key_file)
        cloud.wait(lambda machines: ..., "the instance runs")              # see also instances(), requests()
        cloud.client().describe_instances()                                # boto3

Each instance has DIR/instances/<id>/ as its root directory: ``console.log``, ``etc/condor``, ``var/log/condor``.
It is configured by its user-data alone (cloud-config, plain or a jinja template), whose ``write_files`` land under
that root; what image and hardware say is in ``etc/condor/condor_config``. User-data therefore names no absolute
path of the machine inside a file's content: the image has set LOCAL_DIR, SEC_TOKEN_DIRECTORY and their like.
"""
