"""The command ``apf``, one module for each subcommand. Worker processes import this file too, so it stays small."""


def main() -> None:
    """Run ``apf``."""
    from factory.cli.command import apf

    apf()
