"""``python -m localcloud.demo``."""

from localcloud.demo.cli import main

main(prog_name="make demo")
