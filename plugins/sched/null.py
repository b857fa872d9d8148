"""Null: ask for nothing."""

from factory.plugin import SchedPlugin, Step, View


class Null(SchedPlugin):
    """Ask for nothing: n_out = 0; ignores n. Same law as AutoPyFactory's Null."""

    def step(self, n: int, view: View) -> Step:
        return Step(0, "always 0")
