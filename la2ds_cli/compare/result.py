"""The result of a comparison: as one value, as JSON and as sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.result import AlignResult, rounded
from la2ds_cli.compare.differences import (
    DOUBTS,
    LEAST,
    OTHER_VIEW,
    SURE,
    Differences,
)
from la2ds_cli.compare.findings import Finding, JointSpan, Span, Unjudged, by_joint
from la2ds_cli.compare.tempo import Tempo
from la2ds_cli.compare.viewpoint import ViewDifference
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.trust import LEAST_TRUST

SCHEMA_VERSION = 1
MOST_STRETCHES = 6  # that are named of a part that is not judged
HOW_TO_READ = (
    "Angles are measured in the picture, so both clips must be filmed from the same side. A "
    "difference is stated if it exceeds what noise of the joints, a small turn of the camera and "
    "the alignment can explain, for at least 0.1 s and three frames, and if all of its joints can "
    "be trusted in both clips. Times are those of the reference."
)
NO_JOINT_DIFFERS = "No joint differs by more than noise and camera explain."
NO_TEMPO_DIFFERS = "No part of the movement is clearly slower or faster."
_MORE = {"shoulder": "further from the trunk", "hip": "straighter"}
_LESS = {"shoulder": "closer to the trunk", "hip": "more bent"}


@dataclass(frozen=True)
class CompareResult:
    """aligned: A = the reference, B = the other clip. spans: of the reference, in order. angles:
    per frame of the reference. findings: what can be called a fault, the clearest first; empty if
    `no_findings` gives a reason. joints: every joint in every span, and in the whole movement.
    tempo: per span, then of the longest run of spans that no clip cuts. unjudged: what could not be
    judged. notes: what a reader must know first. files: written, in order.
    """

    aligned: AlignResult
    spans: tuple[Span, ...]
    view: ViewDifference
    angles: Differences
    findings: tuple[Finding, ...]
    no_findings: str
    joints: tuple[JointSpan, ...]
    tempo: tuple[Tempo, ...]
    unjudged: tuple[Unjudged, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...] = ()

    @property
    def other_time(self) -> FloatArray:
        """(N,) seconds of the other clip at each frame of the reference, NaN = no counterpart."""
        alignment = self.aligned.alignment
        return matched_time(alignment.position, alignment.time_b)

    def to_json(self) -> dict[str, Any]:
        """The entire result as JSON (docs/how-to/compare.md); None stands for "not known"."""
        alignment, angles = self.aligned.alignment, self.angles
        return {
            "schema_version": SCHEMA_VERSION,
            "reference": {"video": self.aligned.a.id, "path": self.aligned.a.path},
            "other": {"video": self.aligned.b.id, "path": self.aligned.b.path},
            "alignment": {
                "features": alignment.features,
                "reason": self.aligned.reason,
                "run": self.aligned.run if alignment.features == "model" else None,
                "method": alignment.method,
                "mirrored": alignment.mirrored,
                "mean_confidence": self.aligned.mean_confidence,
            },
            "limits": {
                "least_degrees": LEAST,
                "confidence": SURE,
                "trust": round(LEAST_TRUST, 4),
                "other_view": OTHER_VIEW,
            },
            "notes": list(self.notes),
            "view": {
                "reference": plain_number(self.view.reference),
                "other": plain_number(self.view.other),
                "turn": plain_number(self.view.turn),
                "side_known": self.view.side_known,
            },
            "spans": [asdict(span) for span in self.spans],
            "findings": [{**plain(asdict(f)), "sentence": sentence(f)} for f in self.findings],
            "no_findings": self.no_findings,
            "joints": [plain(asdict(row)) for row in self.joints],
            "tempo": [{**plain(asdict(t)), "sentence": tempo_sentence(t)} for t in self.tempo],
            "unjudged": [{**plain(asdict(u)), "sentence": unjudged_line(u)} for u in self.unjudged],
            "frames": {
                "index": list(range(len(angles.time))),
                "frame": alignment.frame_a.tolist(),
                "time": rounded(alignment.time_a),
                "other_time": rounded(self.other_time),
                "confidence": rounded(alignment.confidence),
                "turn": rounded(self.view.by_frame, 1),
                "sure": angles.sure.tolist(),
                "doubt": [DOUBTS[reason] for reason in angles.doubt],
                "joints": {
                    name: {
                        "reference": rounded(angles.reference[:, j], 2),
                        "other": rounded(angles.other[:, j], 2),
                        "difference": rounded(angles.difference[:, j], 2),
                        "floor": rounded(angles.floor[:, j], 2),
                        "beyond": rounded(angles.beyond[:, j], 2),
                        "trust": rounded(angles.trust[:, j], 3),
                    }
                    for j, name in enumerate(angles.names)
                },
            },
            "files": [str(file) for file in self.files],
        }


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """The values for JSON, with floats converted by plain_number."""
    return {k: plain_number(v) if isinstance(v, float) else v for k, v in values.items()}


def plain_number(value: float) -> float | None:
    """The value rounded to four decimals for JSON, None if it is NaN or infinite."""
    return round(value, 4) if np.isfinite(value) else None


# --- sentences ---------------------------------------------------------------------------------


def joint_name(joint: str) -> str:
    """`left_knee` as `Left knee`; a shoulder angle is named after the upper arm."""
    name = joint.replace("_", " ")
    if joint.endswith("_shoulder"):
        name = name.replace("shoulder", "upper arm")
    return name[:1].upper() + name[1:]


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
    reference, other, _ = durations(row)
    name = f"'{row.span}'"
    if row.verdict == "cut":
        return f"{name} has no tempo: {row.cut}"
    if row.verdict == "unclear":
        return f"{name}: the tempo is unknown"
    if row.verdict == "same":
        return f"{name} takes as long: {other:.2f} s"
    return f"{name} is {row.verdict}: {other:.2f} s instead of {reference:.2f} s"


def durations(row: Tempo) -> tuple[float, float, float]:
    """Seconds of the reference and of the other clip, and their ratio: by labels if both have them,
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
        return [NO_JOINT_DIFFERS]
    lines = [sentence(first) + and_again(len(more)) for first, *more in joints[:most]]
    if len(joints) > most:
        names = ", ".join(joint_name(group[0].joint) for group in joints[most:])
        lines.append(f"Smaller differences: {names}")
    return lines


def and_again(times: int) -> str:
    """What follows the sentence of a joint that differs `times` more times."""
    return f", and {times} more times" if times > 1 else ", and once more" * times


def tempo_lines(result: CompareResult) -> list[str]:
    """A sentence for each part whose tempo differs, or one that says that none does."""
    lines = [tempo_sentence(row) for row in result.tempo if row.verdict in ("slower", "faster")]
    return lines or [NO_TEMPO_DIFFERS]


def unjudged_line(row: Unjudged) -> str:
    """`Right elbow: 0.60 s not judged, not seen well enough in the other clip`."""
    name = joint_name(row.joint) if row.joint else "The whole body"
    return f"{name}: {row.seconds:.2f} s not judged, {row.reason}"


def stretches(row: Unjudged) -> str:
    """`0.40 to 0.80 s, 1.20 to 1.60 s`, in the reference; the MOST_STRETCHES longest."""
    longest = sorted(row.spans, key=lambda span: span[0] - span[1])[:MOST_STRETCHES]
    shown = ", ".join(f"{first:.2f} to {last:.2f} s" for first, last in sorted(longest))
    more = len(row.spans) - len(longest)
    return f"{shown} and {more} shorter" if more else shown
