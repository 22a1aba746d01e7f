"""What many alignments to one clip have in common, made once and kept from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from la2ds_cli.alignment.routes import Kinds, Leg, find_leg
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class Kept:
    """For alignments to one clip A, whole and of one project, with the same run and settings. It
    changes none of their results.

    usable: of clips by id, whether they may have a say beside A. poses, embeddings: of those that
    had one; embeddings also of A. movements: of those, as filmed or mirrored, whichever is nearer
    to A, by id and frames per second. legs: from A to them, by kind of feature, id, and what else
    they depend on.
    """

    a: str = ""
    usable: dict[str, bool] = field(default_factory=dict)
    poses: dict[str, PoseSequence] = field(default_factory=dict)
    embeddings: dict[str, EmbeddingSequence] = field(default_factory=dict)
    movements: dict[tuple[str, float], FloatArray] = field(default_factory=dict)
    legs: dict[tuple[int, str, Hashable], Leg] = field(default_factory=dict)

    def of(self, a: str, *, part: bool) -> Kept:
        """Itself, for the next alignment to clip `a`; ValueError where that is another one, or
        only a part of it."""
        if part or self.a not in ("", a):
            raise ValueError(f"what is kept is of {self.a or 'a whole clip'}, not of {a}")
        self.a = a
        return self

    def legs_of_a(
        self, a: Kinds, others: Mapping[str, Kinds], rows: Hashable, config: AlignConfig
    ) -> list[list[Leg]]:
        """What Routes(others).legs(a) gives; rows: those of A, and the rate of the features."""
        return [
            [
                made(
                    self.legs,
                    (kind, video, rows),
                    lambda x=feature, y=other[kind]: find_leg(x, y, config),
                )
                for video, other in others.items()
            ]
            for kind, feature in enumerate(a)
        ]


def made(kept: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """kept[key], made where it is not there."""
    if key not in kept:
        kept[key] = make()
    return kept[key]
