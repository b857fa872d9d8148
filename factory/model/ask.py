"""The ask that a chain passes on."""

from __future__ import annotations

from dataclasses import dataclass

from factory.model.shape import Shape


@dataclass(frozen=True)
class Ask:
    """What a chain passes on. n > 0: add n VMs; n < 0: retire -n.

    ``shapes`` names the shapes to add, most wanted first, and ``victims`` the UUIDs to retire, best
    first; either may be empty, then the queue's first shape, or the usual order, serves. Victims of an ask that
    retires none (n >= 0) leave beside what is added: machines that nobody can use hold no place of others.
    """

    n: int = 0
    shapes: tuple[Shape, ...] = ()
    victims: tuple[str, ...] = ()

    def to(self, n: int) -> Ask:
        """The same ask for n: lowering |n| cuts from the end, raising it adds the first shape, a new sign drops both.

        But what was to leave beside machines to add leaves still, or first.
        """
        if n == self.n:
            return self
        if n < 0:
            return Ask(n, victims=self.victims[:-n])
        shapes = self.shapes[:n]
        if shapes:
            shapes += (self.shapes[0],) * (n - len(shapes))
        return Ask(n, shapes, () if self.n < 0 else self.victims)
