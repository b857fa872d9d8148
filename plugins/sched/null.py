"""Null: neither buy nor retire."""

from factory.plugin import SchedPlugin, Step, View


class Null(SchedPlugin):
    """Replace what the steps before asked for by zero.

    n_out = 0. The VMs that the queue has are still looked after: they retire before their leases end, and are removed
    when they are proven empty.

    Same law as AutoPyFactory's Null.
    """

    def step(self, n: int, view: View) -> Step:
        return Step(0, "this queue neither buys nor retires")
