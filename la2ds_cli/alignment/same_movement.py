"""Whether two clips show the same movement, by their joints alone.

DTW aligns anything with anything. This module weighs what distinguishes a pair that shows one
movement from a pair that does not: how near the two clips are to each other, compared with how near
strangers are to them; whether the same joints move; and whether one clip has to stand still for the
other. The strangers are rendered performers of random movements (scripts/write_strangers.py). The
weights are a logistic regression on pairs of Penn Action clips and of clips with labelled events
(benchmarks/same_movement.py); docs/results/real-footage.md says how often it is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.distance import mean_pair_squared
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.alignment.sampling import thinned
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints, is_body
from la2ds_cli.features.pose_features import LEAST_MOVEMENT, raw_pose, value_range
from la2ds_cli.features.tempo import paced_movement

STRANGERS = Path(__file__).parent / "strangers.safetensors"
MOST_FRAMES = 48  # of a clip; a few frames are enough to tell movements apart
FEWEST_FRAMES = 8
NEAREST = 8  # strangers; those that are nothing like a clip say little about it
LEAST_COST = 1e-6  # of two identical clips


@dataclass(frozen=True)
class Evidence:
    """The evidence that is weighed. movement, posture: log of the mean squared distance of the two
    clips along their path, minus the log distance of the nearest strangers to one of the clips,
    whichever is lower: for the movement, and for the joints relative to the hips. joints: cosine of
    how far each joint moves in one clip and in the other, in [0, 1]. standing: share of the path's
    steps in which one clip stands still."""

    movement: float
    posture: float
    joints: float
    standing: float


WEIGHTS = Evidence(movement=-4.2, posture=-0.87, joints=6.0, standing=-2.5)
INTERCEPT = -4.0
REFUSED = 0.15  # probability below which the clips are rejected
DOUBTED = 0.4  # probability below which a note says that they may not show the same movement


@dataclass(frozen=True)
class Sameness:
    """probability: that two clips show the same movement, if half of all pairs do."""

    probability: float
    evidence: Evidence

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        evidence = {name: round(value, 4) for name, value in asdict(self.evidence).items()}
        return {"probability": round(self.probability, 4), "evidence": evidence}


def doubt(sameness: Sameness | None, names: tuple[str, str]) -> str:
    """A sentence with the evidence if it is doubtful that two clips show the same movement; empty
    if it is not, or if it cannot be judged. names: of both clips."""
    if sameness is None or sameness.probability >= DOUBTED:
        return ""
    found = sameness.evidence
    verb = "do not" if sameness.probability < REFUSED else "may not"
    return (
        f"{names[0]} and {names[1]} {verb} show the same movement (probability "
        f"{sameness.probability:.2f}): their distance is {math.exp(found.movement):.2g} times that "
        f"of clips of other movements, {100 * found.joints:.0f} % of their joints' movement is "
        f"alike, and one stands still for the other along {100 * found.standing:.0f} % of the path"
    )


def check_same_movement(sameness: Sameness | None, names: tuple[str, str]) -> None:
    """Raises UserError (exit 10) for two clips that clearly show different movements."""
    if sameness is not None and sameness.probability < REFUSED:
        raise UserError(
            doubt(sameness, names),
            hint="--force aligns them anyway",
            exit_code=ExitCode.OTHER_MOVEMENT,
        )


def same_movement(a: PoseSequence, b: PoseSequence) -> Sameness | None:
    """How sure it is that two clips show the same movement, B in the view that is compared.

    None if it cannot be judged: for skeletons other than those of a body, for clips of fewer than
    FEWEST_FRAMES frames, and for those in which no joint is seen or none moves.
    """
    return sameness(describe(a), describe(b))


def sameness(a: Described | None, b: Described | None) -> Sameness | None:
    """`same_movement` of two clips that have been described, for use with many pairs; None if one
    is None."""
    if a is None or b is None:
        return None
    found = _between(a, b)
    weighed = INTERCEPT + sum(
        getattr(WEIGHTS, each.name) * getattr(found, each.name) for each in fields(Evidence)
    )
    return Sameness(1 / (1 + math.exp(-weighed)), found)


def evidence(a: PoseSequence, b: PoseSequence) -> Evidence | None:
    """The evidence that `same_movement` weighs; None in the same cases."""
    described = describe(a), describe(b)
    if described[0] is None or described[1] is None:
        return None
    return _between(described[0], described[1])


def describe(pose: PoseSequence) -> Described | None:
    """A clip as it is compared; None if its movement cannot be judged (see `same_movement`)."""
    if not is_body(pose.skeleton) or len(pose) < FEWEST_FRAMES or np.isnan(pose.xy).all():
        return None
    described = Described.of(pose)
    return described if described.size >= LEAST_MOVEMENT else None


def _between(a: Described, b: Described) -> Evidence:
    ((movement, standing),) = _costs(a.movement, [b.movement])
    ((posture, _),) = _costs(a.posture, [b.posture])
    others = np.minimum(a.against_strangers, b.against_strangers)
    alike = float(a.ranges @ b.ranges) / (a.size * b.size)
    return Evidence(movement - float(others[0]), posture - float(others[1]), alike, standing)


@dataclass(frozen=True)
class Described:
    """A clip as it is compared: movement (T, D) and posture (T, E) at MOST_FRAMES frames at most,
    and ranges (E,) of the coordinates of its joints relative to the hips."""

    movement: FloatArray
    posture: FloatArray
    ranges: FloatArray

    @classmethod
    def of(cls, pose: PoseSequence) -> Described:
        """The joints of a body in the image."""
        body = replace(body_joints(pose), spatial=False)
        posture = raw_pose(body)
        rows = thinned(len(posture), MOST_FRAMES)
        movement = paced_movement(body)
        single = np.float32
        return cls(
            movement[rows].astype(single), posture[rows].astype(single), value_range(posture)
        )

    @property
    def size(self) -> float:
        """Norm of the ranges of all coordinates, torso lengths."""
        return float(np.linalg.norm(self.ranges))

    @cached_property
    def against_strangers(self) -> tuple[float, float]:
        """Mean over the NEAREST strangers of the log of the distance to them, by movement and by
        posture."""
        movements, postures = zip(*_strangers(), strict=True)
        pairs = (self.movement, movements), (self.posture, postures)
        costs = [[cost for cost, _ in _costs(own, others)] for own, others in pairs]
        movement, posture = (float(np.sort(cost)[:NEAREST].mean()) for cost in costs)
        return movement, posture


def _costs(a: FloatArray, clips: Sequence[FloatArray]) -> list[tuple[float, float]]:
    """For each clip (M, D), the log of the mean squared distance along its path to a (N, D) with
    closed ends, and the share of the path's steps in which one of the two stands still."""
    costs = []
    for b, path in zip(clips, align_each(a, clips, AlignConfig(open_ends=False)), strict=True):
        mean = mean_pair_squared(a, b, path)
        still = float((np.diff(path, axis=0) == 0).any(axis=1).mean()) if len(path) > 1 else 0.0
        costs.append((math.log(max(mean, LEAST_COST)), still))
    return costs


@cache
def _strangers() -> list[tuple[FloatArray, FloatArray]]:
    """Movement and posture of each."""
    from safetensors.numpy import load_file

    stored = load_file(STRANGERS)
    movement, posture = (stored[name].astype(np.float32) for name in ("movement", "posture"))
    bounds = np.cumsum(stored["frames"])[:-1]
    return list(zip(np.split(movement, bounds), np.split(posture, bounds), strict=True))
