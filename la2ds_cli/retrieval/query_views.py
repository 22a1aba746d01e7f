"""In which view the query's clip is compared with each other clip (features/viewpoint.py).

Which is decided as in an alignment (alignment/viewpoint.py), for clips among the nearest only: by
the movement of the joints, or in a store, which holds no joints, by its features.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from la2ds_cli.alignment.confidence import NEAR, NEAR_SECONDS
from la2ds_cli.alignment.viewpoint import ViewChoice, choose_view
from la2ds_cli.core.types import FloatArray
from la2ds_cli.core.view import View

MOST = 200  # frames of a clip that are compared

Clip = TypeVar("Clip", bound=Hashable)


class Sample(NamedTuple):
    """At most MOST frames of a clip, evenly spaced.

    compared: (S, E) by which views are ranked.
    value: (S, D) features by which frames are searched.
    time: (S,) seconds.
    """

    compared: FloatArray
    value: FloatArray
    time: FloatArray

    @classmethod
    def of(cls, compared: FloatArray, value: FloatArray, time: FloatArray) -> Sample:
        """Of all rows of a clip."""
        return cls(thinned(compared), thinned(value), thinned(time))


def thinned(value: FloatArray) -> FloatArray:
    """At most MOST rows, evenly spaced."""
    return value[:: -(-len(value) // MOST)]


class QueryViews(Generic[Clip]):
    """The query's clip in its views, and the view for each other clip.

    value: (Q, D) features of the query frames in each view.
    """

    def __init__(
        self,
        value: Mapping[View, FloatArray],
        compared: Mapping[View, FloatArray],
        read: Callable[[Collection[Clip]], Iterable[tuple[Clip, Sample]]],
    ) -> None:
        """compared: (T, E) of the query's clip in each view, not needed for one view. read: samples
        of other clips."""
        self.value = value
        self._compared: dict[View, FloatArray] = {
            view: thinned(rows) for view, rows in compared.items()
        }
        self._read = read
        self._known: dict[Clip, tuple[Sample, ViewChoice]] = {}

    def choices(self, clips: Collection[Clip]) -> list[ViewChoice]:
        """The view for each of these clips, and its rivals; as filmed if it cannot be read."""
        if len(self.value) == 1:
            return [ViewChoice(next(iter(self.value)))] * len(clips)
        new = [clip for clip in dict.fromkeys(clips) if clip not in self._known]
        for clip, sample in self._read(new) if new else ():
            self._known[clip] = sample, choose_view(sample.compared, self._compared)
        return [self._known[clip][1] if clip in self._known else ViewChoice() for clip in clips]

    def found(self, clip: Clip, query: int) -> tuple[View, bool]:
        """The view for a clip, and whether a rival finds another moment of it for a query frame."""
        (choice,) = self.choices([clip])
        if not choice.rivals:
            return choice.view, False
        sample = self._known[clip][0]
        first, *others = (
            sample.time[np.linalg.norm(sample.value - self.value[view][query], axis=1).argmin()]
            for view in (choice.view, *choice.rivals)
        )
        near = max(NEAR * (sample.time[-1] - sample.time[0]), NEAR_SECONDS)
        return choice.view, any(abs(other - first) > near for other in others)
