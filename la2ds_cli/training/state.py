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

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> LoopState:
        """State of a resume file, also of one that knew fewer counters."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in saved.items() if name in known})

    def clear_sums(self) -> None:
        """Begin the sums between two validations anew."""
        self.loss_sum = self.stepped = self.waited = self.drawing = 0.0
        self.losses = self.frames = self.padded = 0

    def shares(self) -> dict[str, float]:
        """For metrics.jsonl. data_share: of the time of steps, what the network waited for data;
        drawing_share: the work of the drawing thread; padding: share of the places in batches."""
        time = self.stepped or math.inf
        return {
            "data_share": round(self.waited / time, 4),
            "drawing_share": round(self.drawing / time, 4),
            "padding": round(1 - self.frames / self.padded, 4) if self.padded else 0.0,
        }

    def judge(self, found: Validation) -> bool:
        """Take in a validation; True when it is the best so far."""
        self.rank, self.collapse = found.rank, found.collapse
        if not found.error < self.best_error:
            self.idle += 1
            return False
        self.best_error, self.best_step, self.idle = found.error, self.step, 0
        return True
