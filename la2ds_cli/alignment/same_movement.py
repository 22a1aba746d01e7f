"""Whether two clips show the same movement, judged by their joints alone.

DTW aligns anything with anything. This module weighs what distinguishes a pair of clips of one
movement from other pairs: how near the two clips are to each other, by their joints and by the base
model, compared with clips of other movements ("strangers"); whether the same joints move; and
whether one clip has to stand still for the other. The strangers are rendered performers of random
movements (scripts/write_strangers.py). The weights are a logistic regression on pairs of Penn
Action clips, of clips of people, of walks and of real videos (benchmarks/same_movement.py);
docs/results/real-footage.md has the error rates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from la2ds_cli.alignment.confidence import DOUBTFUL, Certainty
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.alignment.path import mean_pair_squared
from la2ds_cli.alignment.sampling import thinned_rows
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints, is_body
from la2ds_cli.features.pose_features import LEAST_MOVEMENT, raw_pose, value_range
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.network.load_network import light_base

STRANGERS = Path(__file__).parent / "strangers.safetensors"
MOST_FRAMES = 48  # of a clip; a few frames are enough to tell movements apart
FEWEST_FRAMES = 8
NEAREST = 8  # strangers; those very unlike a clip are uninformative
LEAST_COST = 1e-6  # of two identical clips


class Evidence(NamedTuple):
    """The evidence on whether two clips show the same movement.

    movement, posture, embedding: log of the mean squared distance of the two clips along their
    path, minus the log distance of the nearest strangers to either clip, whichever is lower; for
    the movement, the joints relative to the hips, and the base model's embeddings. joints: cosine
    of how far each joint moves in one clip and in the other, in [0, 1]. standing: share of the
    path's steps in which one clip stands still.
    """

    movement: float
    posture: float
    embedding: float
    joints: float
    standing: float


WEIGHTS = Evidence(movement=-3.4, posture=-0.73, embedding=-2.6, joints=4.0, standing=-1.8)
INTERCEPT = -1.8
REFUSED = 0.18  # probability below which the clips are rejected
DOUBTED = 0.6  # probability below which a note says that they may not show the same movement
JOINTS_ALIKE = 0.8  # evidence from which a doubt says that the same joints move
MUCH_STANDING = 0.15  # evidence from which a doubt says that one stands still for the other


@dataclass(frozen=True)
class SameMovement:
    """The probability that two clips show the same movement, if half of all pairs do."""

    probability: float
    evidence: Evidence

    @property
    def refused(self) -> bool:
        """Whether the clips clearly show different movements."""
        return self.probability < REFUSED

    @property
    def doubted(self) -> bool:
        """Whether the clips may show different movements, or clearly do."""
        return self.probability < DOUBTED

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        evidence = {name: round(value, 4) for name, value in self.evidence._asdict().items()}
        return {"probability": round(self.probability, 4), "evidence": evidence}


def doubt_sentence(same: SameMovement | None, names: tuple[str, str]) -> str:
    """Return a sentence with the evidence if two clips, called `names`, may show different
    movements; empty if they do not, or if it cannot be judged."""
    if same is None or not same.doubted:
        return ""
    verb = "do not" if same.refused else "may not"
    against, in_favour = _reasons(same.evidence)
    although = f", although {' and '.join(in_favour)}" if in_favour else ""
    return (
        f"{names[0]} and {names[1]} {verb} show the same movement (probability "
        f"{same.probability:.2f}): {_listed(against)}{although}"
    )


def _reasons(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Return what speaks against one movement, at least one reason, and what speaks for it."""
    against, in_favour = list[str](), list[str]()
    times = math.exp(evidence.movement)
    far = f"{times:.2g} times as much as from clips of other movements"
    if times >= 1:
        against.append(f"they differ from each other {far}")
    else:
        in_favour.append(f"they differ from each other only {far}")
    if times < 1 <= (unlike := math.exp(evidence.embedding)):
        against.append(
            f"the base model finds them {unlike:.2g} times as unlike as clips of other movements"
        )
    alike = f"({100 * evidence.joints:.0f} % alike)"
    if evidence.joints < JOINTS_ALIKE:
        against.append(f"other joints move {alike}")
    else:
        in_favour.append(f"much the same joints move {alike}")
    if evidence.standing >= MUCH_STANDING:
        share = f"{100 * evidence.standing:.0f} % of the path"
        against.append(f"one stands still for the other along {share}")
    return against or ["too little is alike"], in_favour


def _listed(reasons: Sequence[str]) -> str:
    """The reasons as one part of a sentence."""
    *first, last = reasons
    return f"{', '.join(first)}, and {last}" if first else last


def check_same_movement(
    same: SameMovement | None, names: tuple[str, str], likely: Sequence[str] = ()
) -> None:
    """Raise UserError (exit 10) if two clips, called `names`, clearly show different movements.

    `likely` are sentences on what may be the cause, the most likely first; empty ones are left out.
    """
    if same is not None and same.refused:
        raise UserError(
            doubt_sentence(same, names),
            hint="; ".join(
                filter(
                    None,
                    [
                        *likely,
                        "if a film lies on its side, --rotate of extract-poses turns it",
                        "--force aligns them anyway",
                    ],
                )
            ),
            exit_code=ExitCode.OTHER_MOVEMENT,
        )


def limit_certainty(
    certainty: Certainty, same: SameMovement | None, *, view_is_clear: bool = True
) -> Certainty:
    """Return the certainty of a match, lowered if the pair as a whole is doubtful.

    If the clips may show different movements, each confidence is multiplied by the probability that
    they do not, since only then can a match be right. If another view of B matches other moments
    (`view_is_clear` is false), no confidence exceeds DOUBTFUL.
    """
    confidence = certainty.confidence
    if not view_is_clear:
        confidence = np.minimum(confidence, np.float32(DOUBTFUL))
    if same is not None and same.doubted:
        confidence = (confidence * same.probability).astype(np.float32)
    return certainty._replace(confidence=confidence)


def compare_descriptions(
    a: ClipDescription | None, b: ClipDescription | None
) -> SameMovement | None:
    """Return whether two clips show the same movement, B in the view that is compared.

    None if it cannot be judged (`describe`).
    """
    if a is None or b is None:
        return None
    costs = [_costs(own, [other])[0] for own, other in zip(a.compared, b.compared, strict=True)]
    others = np.minimum(a.against_strangers, b.against_strangers)
    nearer = [cost - float(far) for (cost, _), far in zip(costs, others, strict=True)]
    alike = float(a.ranges @ b.ranges) / (a.size * b.size)
    evidence = Evidence(*nearer, joints=alike, standing=costs[0][1])
    weighed = INTERCEPT + sum(
        weight * value for weight, value in zip(WEIGHTS, evidence, strict=True)
    )
    return SameMovement(1 / (1 + math.exp(-weighed)), evidence)


def most_probable(judged: Iterable[SameMovement | None]) -> SameMovement | None:
    """Return the judgement with the highest probability; None if there is none."""
    present = (each for each in judged if each is not None)
    return max(present, key=lambda each: each.probability, default=None)


def describe(pose: PoseSequence) -> ClipDescription | None:
    """Return the description of a clip that is compared with others.

    None for skeletons other than those of a body, for clips of fewer than FEWEST_FRAMES frames, and
    for clips in which no joint is seen or none moves.
    """
    if not is_body(pose.skeleton) or len(pose) < FEWEST_FRAMES or np.isnan(pose.xy).all():
        return None
    described = ClipDescription.from_pose(pose, _strangers().projection)
    return described if described.size >= LEAST_MOVEMENT else None


@dataclass(frozen=True)
class ClipDescription:
    """The features of a clip by which its movement is judged, at MOST_FRAMES frames at most.

    movement: (T, D). posture: (T, E). embedding: (T, F) of the base model, reduced to the
    directions in which the strangers differ. ranges: (E,) of the coordinates of its joints relative
    to the hips.
    """

    movement: FloatArray
    posture: FloatArray
    embedding: FloatArray
    ranges: FloatArray

    @classmethod
    def from_pose(cls, pose: PoseSequence, projection: FloatArray | None) -> ClipDescription:
        """Describe the joints of a body in the image, with its embeddings reduced by a projection
        (D, F), None = not reduced."""
        body = replace(body_joints(pose), spatial=False)
        posture = raw_pose(body)
        rows = thinned_rows(len(posture), MOST_FRAMES)
        (embedding,) = light_base()([body])
        embedding = embedding[rows] if projection is None else embedding[rows] @ projection
        movement = paced_movement(body)[rows]
        return cls(
            movement.astype(np.float32),
            posture[rows].astype(np.float32),
            embedding.astype(np.float32),
            value_range(posture),
        )

    @property
    def compared(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Movement, posture and embedding."""
        return self.movement, self.posture, self.embedding

    @property
    def size(self) -> float:
        """Norm of the ranges of all coordinates, torso lengths."""
        return float(np.linalg.norm(self.ranges))

    @cached_property
    def against_strangers(self) -> tuple[float, ...]:
        """Mean log distance to the NEAREST strangers, by movement, posture and embedding."""
        nearest = []
        for own, others in zip(self.compared, _strangers().compared, strict=True):
            costs = [cost for cost, _ in _costs(own, others)]
            nearest.append(float(np.sort(costs)[:NEAREST].mean()))
        return tuple(nearest)


def _costs(a: FloatArray, clips: Sequence[FloatArray]) -> list[tuple[float, float]]:
    """Return, for each clip (M, D), the log of the mean squared distance along its path to a (N, D)
    with closed ends, and the share of the path's steps in which one of the two stands still."""
    costs = []
    for b, path in zip(clips, align_each(a, clips, AlignConfig(open_ends=False)), strict=True):
        mean = mean_pair_squared(a, b, path)
        still = float((np.diff(path, axis=0) == 0).any(axis=1).mean()) if len(path) > 1 else 0.0
        costs.append((math.log(max(mean, LEAST_COST)), still))
    return costs


class _Strangers(NamedTuple):
    """Clips of other movements.

    compared: movement, posture and embedding of each. projection: (D, F) to the directions in which
    their embeddings differ.
    """

    compared: tuple[list[FloatArray], ...]
    projection: FloatArray


@cache
def _strangers() -> _Strangers:
    from safetensors.numpy import load_file

    stored = load_file(STRANGERS)
    bounds = np.cumsum(stored["frames"])[:-1]
    compared = tuple(
        np.split(stored[name].astype(np.float32), bounds)
        for name in ("movement", "posture", "embedding")
    )
    return _Strangers(compared, stored["projection"])
