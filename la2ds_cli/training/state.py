"""The counters of a run: what a resumed one must know besides weights and optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from la2ds_cli.training.validate import Validation


@dataclass
class LoopState:
    """Steps done, seconds of training so far, best validation, and the sums since the last one.

    best_error, raw_pose_error: % of the clip length (training.validate). idle: validations in a
    row without improvement. collapse: in which way all frames look alike, empty = they do not.
    threads, compiled: what was chosen at the start, so that a resumed run computes alike.
    """

    step: int = 0
    seconds: float = 0.0
    best_error: float = math.inf
    best_step: int = 0
    rank: float = 0.0
    finished: bool = False
    raw_pose_error: float = math.nan
    idle: int = 0
    collapse: str = ""
    threads: int = 0
    compiled: bool | None = None
    loss_sum: float = 0.0
    losses: int = 0
    stepped: float = 0.0  # seconds of steps since the last validation
    waited: float = 0.0  # of them, seconds in which the network waited for a batch
    drawing: float = 0.0  # seconds the drawing thread worked
    frames: int = 0  # frames shown
    padded: int = 0  # places in batches, padding included
    all_stepped: float = 0.0  # the three sums above over the whole run, up to the last validation
    all_waited: float = 0.0
    all_drawing: float = 0.0

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> LoopState:
        """State of a resume file, also of one that knew fewer counters."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in saved.items() if name in known})

    def clear_sums(self) -> None:
        """Begin the sums between two validations anew."""
        self.all_stepped += self.stepped
        self.all_waited += self.waited
        self.all_drawing += self.drawing
        self.loss_sum = self.stepped = self.waited = self.drawing = 0.0
        self.losses = self.frames = self.padded = 0

    def shares(self) -> dict[str, float]:
        """For metrics.jsonl, since the last validation. data_share: of the time of steps, what the
        network waited for data; drawing_share: what the drawing thread worked (augmentation,
        crop, heatmaps, collation); padding: share of the places in batches."""
        return {
            "data_share": _share(self.waited, self.stepped),
            "drawing_share": _share(self.drawing, self.stepped),
            "padding": _share(self.padded - self.frames, self.padded),
        }

    def data_share(self) -> float:
        """`data_share` of the whole run."""
        return _share(self.all_waited, self.all_stepped)

    def drawing_share(self) -> float:
        """`drawing_share` of the whole run."""
        return _share(self.all_drawing, self.all_stepped)

    def judge(self, found: Validation) -> bool:
        """Take in a validation; True when it is the best so far."""
        self.rank, self.collapse = found.rank, found.collapse
        if not found.error < self.best_error:
            self.idle += 1
            return False
        self.best_error, self.best_step, self.idle = found.error, self.step, 0
        return True


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0
