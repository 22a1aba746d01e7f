"""Anchors: moments of two clips that the user declares to be the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import PoseSequence


def parse_anchors(texts: Sequence[str] | None) -> tuple[tuple[float, float], ...]:
    """Return the seconds of A and of B in each text "A=B".

    Raises UserError (exit 2) for any other text.
    """
    anchors = []
    for text in texts or ():
        try:
            a, b = (float(part) for part in text.split("="))
        except ValueError:
            a = b = math.nan
        if not (math.isfinite(a) and math.isfinite(b)):
            raise UserError(
                f"an anchor is two times in seconds, got '{text}'",
                hint="--anchor 1.20=0.85 matches 1.20 s of A with 0.85 s of B",
            )
        anchors.append((a, b))
    return tuple(anchors)


def anchored_frames(
    anchors: Sequence[tuple[float, float]],
    a: PoseSequence,
    b: PoseSequence,
    names: tuple[str, str] = ("clip A", "clip B"),
) -> list[tuple[int, int]]:
    """Return the frames of A and B nearest to the anchored seconds, in order.

    Parameters
    ----------
    anchors: seconds of A and of B that must match.
    a, b: joints of the clips.
    names: of the clips, for messages.

    Raises
    ------
    UserError: exit 2 for seconds outside a clip, and for anchors that run backwards.
    """
    frames = [
        (_frame_at(second_a, a, names[0]), _frame_at(second_b, b, names[1]))
        for second_a, second_b in sorted(anchors)
    ]
    frames = list(dict.fromkeys(frames))  # duplicates count once
    for before, after in itertools.pairwise(frames):
        if not (before[0] < after[0] and before[1] < after[1]):
            raise UserError(
                "the anchors contradict each other: a later moment of A must match a later moment "
                "of B",
                hint="remove one of them",
            )
    return frames


def _frame_at(seconds: float, pose: PoseSequence, name: str) -> int:
    if not pose.axis.reaches(seconds):
        raise UserError(
            f"the anchor at {seconds:g} s lies outside {name}, which shows "
            f"{pose.time[0]:.2f} to {pose.time[-1]:.2f} s",
            hint="--anchor A=B takes seconds of A and of B, such as --anchor 1.20=0.85",
        )
    return pose.axis.nearest_row(seconds)
