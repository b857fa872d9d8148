"""The ask that a chain of sched plugins passes on."""

from __future__ import annotations

from dataclasses import dataclass

from factory.model.shape import Shape


@dataclass(frozen=True)
class Ask:
    """The number of VMs to add (n > 0) or to retire (n < 0).

    ``shapes`` are the shapes to add, most wanted first; empty: the first shape of the queue. ``victims`` are the UUIDs
    of VMs to retire, best first; empty: the usual order. Victims of an ask with n >= 0 retire beside the additions, so
    that machines without use take no place under a cap.
    """

    n: int = 0
    shapes: tuple[Shape, ...] = ()
    victims: tuple[str, ...] = ()

    def to(self, n: int) -> Ask:
        """Return the ask for another n.

        A lower abs(n) cuts shapes or victims from the end. A higher one repeats the first shape. A change of sign drops
        both, except that victims beside additions still retire, first.
        """
        if n == self.n:
            return self
        if n < 0:
            return Ask(n, victims=self.victims[:-n])
        shapes = self.shapes[:n]
        if shapes:
            shapes += (self.shapes[0],) * (n - len(shapes))
        return Ask(n, shapes, () if self.n < 0 else self.victims)
