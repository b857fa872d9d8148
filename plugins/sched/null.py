"""Null: never anything."""

from factory.plugin import SchedPlugin, Step, View


class Null(SchedPlugin):
    """n_out = 0, whatever n was. Same law as AutoPyFactory's Null."""

    def step(self, n: int, view: View) -> Step:
        return Step(0, "always 0")
