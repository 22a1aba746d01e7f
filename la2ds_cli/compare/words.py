"""Findings in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.compare.findings import Finding, by_joint
from la2ds_cli.compare.spans import WHOLE
from la2ds_cli.compare.tempo import Tempo

if TYPE_CHECKING:
    from la2ds_cli.compare.result import CompareResult

_FEW = 20  # examples
_NAMED = 3  # of those that were left out
_MORE = {"shoulder": "further from the trunk", "hip": "straighter"}
_LESS = {"shoulder": "closer to the trunk", "hip": "more bent"}


def joint_name(joint: str) -> str:
    """`left_knee` as `Left knee`; the upper arm's angle to the trunk is called the arm's."""
    words = joint.replace("_", " ")
    if joint.endswith("_shoulder"):
        words = words.replace("shoulder", "upper arm")
    return words[:1].upper() + words[1:]


def direction(joint: str, difference: float) -> str:
    """How the other clip differs: a larger angle is a straighter joint."""
    part = joint.rsplit("_", 1)[-1]
    if difference > 0:
        return _MORE.get(part, "straighter")
    return _LESS.get(part, "more bent")


def amount(joint: str, difference: float) -> str:
    """`24° straighter`."""
    return f"{abs(difference):.0f}° {direction(joint, difference)}"


def sentence(finding: Finding) -> str:
    """`Left knee: 24° straighter at 1.32 s, in 'rise'`; times of the reference."""
    where = f", in '{finding.span}'" if finding.span else ""
    what = amount(finding.joint, finding.difference)
    return f"{joint_name(finding.joint)}: {what} at {finding.time:.2f} s{where}"


def tempo_sentence(row: Tempo) -> str:
    """`'rise' is slower: 0.90 s instead of 0.60 s`."""
    reference, other, ratio = durations(row)
    name = "The whole movement" if row.span == WHOLE else f"'{row.span}'"
    if np.isnan(ratio):
        return f"{name} is not in both clips"
    if row.verdict == "unclear":
        return f"{name}: the tempo cannot be told"
    if row.verdict == "same":
        return f"{name} takes as long: {other:.2f} s"
    return f"{name} is {row.verdict}: {other:.2f} s instead of {reference:.2f} s"


def durations(row: Tempo) -> tuple[float, float, float]:
    """Seconds of the reference and of the other, and their ratio: by labels where both have them,
    else by the alignment."""
    if np.isnan(row.labelled_other):
        return row.reference, row.other, row.ratio
    reference, other = row.labelled_reference, row.labelled_other
    return reference, other, other / reference if reference > 0 else np.nan


def finding_lines(result: CompareResult, most: int) -> list[str]:
    """A sentence for each of the first `most` joints that differ, or why there is none."""
    if result.no_findings:
        return [result.no_findings]
    joints = list(by_joint(result.findings).values())
    if not joints:
        return ["No joint differs by more than noise and camera explain."]
    lines = []
    for first, *more in joints[:most]:
        again = f", and {len(more)} more times" if len(more) > 1 else ", and once more" * len(more)
        lines.append(sentence(first) + again)
    if len(joints) > most:
        names = ", ".join(joint_name(group[0].joint) for group in joints[most:])
        lines.append(f"Smaller differences: {names}")
    return lines


def tempo_lines(result: CompareResult) -> list[str]:
    """A sentence for each part whose tempo differs, or that none does."""
    told = [tempo_sentence(row) for row in result.tempo if row.verdict in ("slower", "faster")]
    return told or ["No part of the movement is clearly slower or faster."]


def score_lines(result: CompareResult) -> list[str]:
    """How unusual the clip is beside the good examples, and what one must know of that number."""
    examples = result.examples
    if examples is None:
        return []
    lines = []
    found = examples.anomaly
    if found is None:
        lines.append(f"No score: {examples.reason}.")
    elif np.isnan(found.score):
        lines.append("No score: the alignment is not sure enough anywhere.")
    else:
        count = len(examples.used)
        lines.append(
            f"Unusual by {found.score:.2f}, where 1.00 is the most unusual of {count} good "
            f"examples; {found.share_below:.0%} of them are less unusual."
        )
        lines.append(
            f"{feature_name(found.driver)} decides, most at {result.angles.time[found.row]:.2f} s."
        )
        if count < _FEW:
            lines.append(
                f"With {count} examples up to one good clip in {count + 1} exceeds 1.00 by chance."
            )
    if examples.left_out:
        told = [f"{name}: {why}" for name, why in examples.left_out.items()]
        more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
        lines.append(f"{len(told)} left out: {'; '.join(told[:_NAMED])}{more}")
    return lines


def feature_name(feature: str) -> str:
    """A joint or the tempo of a part, as the beginning of a sentence."""
    if feature.startswith("tempo of "):
        return f"The tempo of '{feature.removeprefix('tempo of ')}'"
    return joint_name(feature)
