"""Entry point of ``python -m localcloud.demo``."""

from localcloud.demo.cli import main

main(prog_name="python -m localcloud.demo")
