"""The command ``apf``. Each worker process imports this too, as part of what was started: it stays small."""


def main() -> None:
    """Run ``apf``."""
    from factory.cli.command import apf

    apf()
