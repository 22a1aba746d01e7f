"""The kinds of features by which a pair of clips could be aligned, and the choice among them.

With reference clips, an alignment can be checked without labels: a moment of A is found in B
directly, and once more through every reference. Features that represent the movement give similar
results on all these paths. The distance between these results in % of B (`Match.cycle`) chooses the
candidate for this pair. The check on all clips of a project (agreement.py) says which candidate is
preferred. The measurements are in docs/decisions/0017-candidates.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from la2ds_cli.alignment.request import AlignRequest, ChosenKind, PreparedPair, features_name
from la2ds_cli.alignment.result import Match
from la2ds_cli.core.project import BASE_RUN, DEFAULT_RUN
from la2ds_cli.features.body_joints import is_body

NEARER = 0.85
"""A candidate replaces the preferred one only if its cycle is below this share of the preferred
one's: choosing the smallest cycle alone would change the features of every other pair."""


@dataclass(frozen=True)
class Candidate:
    """features: the kind by which the clips were compared. run: the run of the embeddings, BASE_RUN
    for the base model, empty for raw poses. gaps: whether spans were left out."""

    features: ChosenKind
    run: str
    match: Match
    gaps: bool

    def to_json(self, chosen: Candidate) -> dict[str, Any]:
        """The candidate and the evidence for it."""
        cycle = self.match.cycle
        return {
            "features": self.features,
            "run": self.run if self.features == "model" else None,
            "mirrored": self.match.mirrored,
            "gaps": self.gaps,
            "cycle_percent": None if math.isnan(cycle) else round(cycle, 3),
            "chosen": self is chosen,
        }


def kinds_to_weigh(
    pair: PreparedPair, request: AlignRequest, references: int
) -> tuple[ChosenKind, ...]:
    """The kinds of features to align by, the preferred one first. It is the only one if features or
    a run were requested, or if there are no references, because the choice needs references."""
    preferred = pair.choice.kind
    asked = request.features != "auto" or request.run not in (DEFAULT_RUN, BASE_RUN)
    if asked or not references or request.settings.pool:
        return (preferred,)
    poses = pair.poses[0]
    with_base = is_body(poses.skeleton) and not poses.spatial
    others: tuple[ChosenKind, ...] = ("base", "pose") if with_base else ("pose",)
    return (preferred, *(kind for kind in others if kind != preferred))


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The preferred candidate, which is the first, unless the cycle of another one is clearly
    lower."""
    preferred = candidates[0]
    nearest = min(candidates, key=lambda one: (math.isnan(one.match.cycle), one.match.cycle))
    clearly = nearest.match.cycle < NEARER * preferred.match.cycle  # False for NaN
    return nearest if clearly else preferred


def reason(chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    """Why a candidate other than the preferred one was chosen, in one line; empty if the preferred
    one was chosen."""
    preferred = candidates[0]
    if chosen is preferred:
        return ""
    return (
        f"aligned on {_called(chosen)} rather than {_called(preferred)}: through "
        f"{chosen.match.references} other clips, its matches agree to "
        f"{chosen.match.cycle:.1f} % of B, against {preferred.match.cycle:.1f} %"
    )


def _called(candidate: Candidate) -> str:
    name = features_name(candidate.features, candidate.run)
    return name if candidate.features == "pose" else f"the {name}"
