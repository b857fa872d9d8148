"""``python -m localcloud.pandademo``."""

from localcloud.pandademo.cli import main

main(prog_name="make demo-panda")
