"""Step: where and when one clip differs from another after alignment. The result, as one value, as
JSON and as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.difference_table import (
    difference_frame,
    difference_rows,
    plain,
    plain_number,
)
from la2ds_cli.compare.differences import OTHER_VIEW, SAME_VIEW, Differences, differences
from la2ds_cli.compare.findings import (
    Finding,
    Span,
    Tempo,
    Unjudged,
    find_differences,
    find_unjudged,
    labelled_seconds,
    spans_of,
    tempo,
)
from la2ds_cli.compare.judged_moments import slow_clip
from la2ds_cli.compare.key_positions import KeyPosition, choose_moments, measure_positions
from la2ds_cli.compare.viewpoint import ViewDifference, has_trunk, view_difference
from la2ds_cli.compare.words import joint_name, size_text, value_text
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.body_quantities import QUANTITIES, Quantity

HOW_TO_READ = (
    "Angles and lengths are those of the picture, so both clips must be filmed from the same side. "
    "A difference is stated if it exceeds what noise of the joints, a small turn of the camera and "
    "the alignment can explain, for at least 0.16 s and three frames, and if all of its joints can "
    "be trusted in both clips. Times are those of the reference."
)
MOST = 8  # joints, each in one direction, whose differences are listed
_OTHERS = 3  # further moments of such a joint that are listed
_MOSTLY = 0.5  # share of the reference that can be judged; a note says when it is less


@dataclass(frozen=True)
class CompareResult:
    """aligned: A = the reference, B = the other clip. spans: of the reference, in order. angles:
    per frame of the reference. findings: what can be called a fault, the clearest first; empty if
    `no_findings` gives a reason. tempo: per span. unjudged: what could not be judged. notes: what a
    reader must know first. key_positions: named moments, with the values of both clips. files:
    written, in order.
    """

    aligned: Alignment
    spans: tuple[Span, ...]
    view: ViewDifference
    angles: Differences
    findings: tuple[Finding, ...]
    no_findings: str
    tempo: tuple[Tempo, ...]
    unjudged: tuple[Unjudged, ...]
    notes: tuple[str, ...]
    key_positions: tuple[KeyPosition, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def other_time(self) -> FloatArray:
        """(N,) seconds of the other clip at each frame of the reference, NaN = no counterpart."""
        return matched_time(self.aligned.position, self.aligned.time_b)

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each reported difference, the largest first.

        The columns are those of `findings` in JSON: `joint`, the name of an angle or quantity;
        `span`, the part of the movement; `row` (frame of the reference, counted from 0), `time` and
        `other_time`, seconds of both clips where it is clearest; `start` and `end` in the
        reference; `difference` (other minus reference), `reference`, `other` and `beyond`, what
        noise and camera do not explain, in the `unit` beside them; `trust` of the joints and
        `confidence` of the match, in [0, 1]; `label`, `amount` and `sentence`, in words. Numbers
        that are not known are NaN. No row if nothing differs, or if `no_findings` says why none can
        be reported. `attrs["units"]` has the units of the times. Raises UserError (exit 6) without
        pandas.
        """
        return difference_frame(self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON; None stands for "not known". The angles of all frames are in
        the table (views.compare_files)."""
        return {
            "schema_version": 1,
            "reference": {"video": self.aligned.a.id, "path": self.aligned.a.path},
            "other": {"video": self.aligned.b.id, "path": self.aligned.b.path},
            "alignment": {
                "features": self.aligned.features,
                "method": self.aligned.method,
                "mirrored": self.aligned.mirrored,
            },
            "notes": list(self.notes),
            "turn": plain_number(self.view.turn),
            "spans": [asdict(span) for span in self.spans],
            "findings": difference_rows(self.findings),
            "no_findings": self.no_findings,
            "tempo": [{**plain(t._asdict()), "sentence": tempo_sentence(t)} for t in self.tempo],
            "unjudged": [
                {**plain(u._asdict()), "sentence": unjudged_line(u)} for u in self.unjudged
            ],
            "key_positions": [_position_json(position) for position in self.key_positions],
            "files": [str(file) for file in self.files],
        }


def _position_json(position: KeyPosition) -> dict[str, Any]:
    known = {"name": position.name, "time": position.time, "other_time": position.other_time}
    values = [plain(value._asdict()) for value in position.values]
    return plain(known | {"confidence": position.confidence}) | {"values": values}


def compare(
    project: StoredProject,
    reference: str,
    other: str,
    request: AlignRequest,
    progress: Progress = SILENT,
    aligner: ProjectAligner | None = None,
    quantities: Sequence[Quantity] = (),
) -> CompareResult:
    """Compare clip `other` with clip `reference`; views.compare_files writes the result.

    The clips are aligned as `la2ds align` aligns them.

    Parameters
    ----------
    aligner: of other alignments by the request.
    quantities: of plugins, measured beside the angles and QUANTITIES.

    Raises
    ------
    UserError: as ProjectAligner.align_names.
    """
    aligner = aligner or ProjectAligner(project, request, progress)
    aligned = aligner.align_names(reference, other)
    a, b = aligned.pose_a, aligned.shown_b
    matched = ~np.isnan(aligned.position) & ~aligned.rests
    phases = project.phases(propagated=True, skip_unclear=True)
    spans = spans_of(a, phases.get(aligned.a.id, []), matched)
    view = view_difference(a, b, aligned.position)
    angles = differences(a, b, aligned, view, (*QUANTITIES, *quantities))
    reason = _no_findings(view, angles, aligned)
    clips = (aligned.a.id, a), (aligned.b.id, aligned.pose_b)
    both = labelled_seconds([(pose, phases.get(clip, [])) for clip, pose in clips])
    return CompareResult(
        aligned,
        tuple(spans),
        view,
        angles,
        tuple([] if reason else find_differences(angles, aligned, spans)),
        reason,
        tuple(tempo(aligned, spans, both)),
        tuple(find_unjudged(angles)),
        tuple(_notes(aligned, view, angles)),
        tuple(measure_positions(angles, aligned, choose_moments(a, spans), stated=not reason)),
    )


def _no_findings(view: ViewDifference, angles: Differences, aligned: Alignment) -> str:
    """Return why no difference of angles may be called a fault; empty if it may. The side of the
    camera does not matter to angles in 3D.

    A flipped picture is that of a camera on the opposite side only if both look level: a camera
    that looks down by 10 degrees from one side sees what one that looks up by 10 degrees sees from
    the other, and limbs that point towards it become longer in one picture and shorter in the
    other.
    """
    reference = aligned.pose_a
    if aligned.view == "other" and not reference.spatial:
        return (
            "The two clips are filmed from opposite sides: what points towards one camera points "
            "away from the other. Angles in the picture then differ even if the movement is the "
            "same, so none is called a fault."
        )
    if view.turn > OTHER_VIEW and not reference.spatial:
        return (
            f"The two clips are filmed from sides that lie about {view.turn:.0f}° apart. Angles in "
            "the picture then differ even if the movement is the same, so none is called a fault."
        )
    if np.isnan(view.turn) and has_trunk(reference.skeleton) and not reference.spatial:
        return (
            "It is unknown from which sides the two clips are filmed, because shoulders or hips "
            "are not seen. So no difference of angles is called a fault."
        )
    if aligned.unclear_views:
        return (
            "It is not clear in which view the two clips have to be compared, and another view "
            "has other limbs in their places. So no difference of angles is called a fault."
        )
    if not angles.judged.any():
        return (
            "Angles cannot be compared anywhere: the alignment is not sure enough, the two bodies "
            "are seen from different sides, or the joints cannot be trusted."
        )
    return ""


def _notes(aligned: Alignment, view: ViewDifference, angles: Differences) -> list[str]:
    skeleton, notes = aligned.pose_a.skeleton, []
    if aligned.pose_a.spatial:
        notes.append(
            "Angles are those of the joints in 3D, so the sides from which the clips are filmed do "
            "not matter; their accuracy depends on the source of the 3D joints."
        )
    elif SAME_VIEW < view.turn <= OTHER_VIEW:
        notes.append(
            f"The cameras stand about {view.turn:.0f}° apart: only differences larger than those "
            "that such a turn causes are reported."
        )
    elif np.isnan(view.turn) and not has_trunk(skeleton):
        notes.append(f"The side from which {skeleton} is filmed is not measured: check it.")
    if not (aligned.pose_a.spatial or view.side_known) and 20 < abs(view.reference) < 160:
        notes.append("It is unclear whether both clips show the same side, left or right.")
    if slow := slow_clip(aligned):
        clip, ratio = {
            "reference": ("The reference", 1 / aligned.overall_ratio),
            "other": ("The other clip", aligned.overall_ratio),
        }[slow]
        notes.append(
            f"{clip} takes {ratio:.1f} times as long: slow motion, so tempo is not judged, "
            "and angles only where the match is sure."
        )
    if aligned.view == "mirrored":
        notes.append(
            "The other clip fits better mirrored: its left is compared with the reference's right."
        )
    elif aligned.view == "other":
        notes.append(
            "The other clip is seen from the other side, so its pictures are shown flipped; left "
            "is compared with left."
        )
    if aligned.unclear:
        notes.append(f"Unclear: {aligned.unclear}.")
    share = float(angles.sure.mean())
    if not share:
        notes.append("No moment of the reference can be judged.")
    elif share < _MOSTLY:
        percent = max(round(100 * share), 1)
        notes.append(f"Only {percent} % of the reference can be judged.")
    return notes


# --- sentences ---------------------------------------------------------------------------------


def tempo_sentence(row: Tempo) -> str:
    """`'rise' is slower: 0.90 s instead of 0.60 s`."""
    name = f"'{row.span}'"
    if row.verdict == "cut":
        return f"{name} has no tempo: {row.cut}"
    if row.verdict == "unclear":
        return f"{name}: the tempo is unknown"
    if row.verdict == "same":
        return f"{name} takes as long: {row.other:.2f} s"
    return f"{name} is {row.verdict}: {row.other:.2f} s instead of {row.reference:.2f} s"


def document_sentences(document: Mapping[str, Any], most: int = MOST) -> dict[str, Any]:
    """Return the document of a comparison (`to_json`) as sentences: `notes`; `differs`, one for
    each of the first `most` joints and directions, with the joint and the second of the reference
    at which it differs most (None if no joint differs); `tempo`; `unjudged`; and `key_positions`,
    each with its seconds and, for each angle and quantity, `label`, `text` (`148° → 171°`),
    `judged` and `stated`."""
    grouped: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
    for finding in document["findings"]:
        direction = finding["joint"], finding["difference"] > 0
        grouped.setdefault(direction, []).append(finding)
    groups = [sorted(found, key=lambda one: -abs(one["difference"])) for found in grouped.values()]
    differs = [
        {
            "text": largest["sentence"] + _other_moments(others),
            "time": largest["time"],
            "joint": largest["joint"],
        }
        for largest, *others in groups[:most]
    ]
    if rest := [group[0] for group in groups[most:]]:
        less = [f"{f['label']} {f['amount']}" for f in rest]
        differs.append({"text": f"Less clear: {', '.join(less)}", "time": None, "joint": None})
    none = document["no_findings"] or "No joint differs by more than noise and camera explain."
    verdicts = {one["verdict"] for one in document["tempo"]}
    no_tempo = (
        "No part of the movement is clearly slower or faster."
        if "same" in verdicts
        else "No part has a tempo: none is whole in both clips, or one is in slow motion."
        if verdicts == {"cut"}
        else "Whether a part is slower or faster was not judged: the alignment is not sure there."
    )
    tempo = [one["sentence"] for one in document["tempo"] if one["verdict"] in ("slower", "faster")]
    return {
        "notes": list(document["notes"]),
        "differs": differs or [{"text": none, "time": None, "joint": None}],
        "tempo": tempo or [no_tempo],
        "unjudged": [one["sentence"] for one in document["unjudged"]],
        "key_positions": [
            {
                **{key: position[key] for key in ("name", "time", "other_time")},
                "values": [_value_words(value) for value in position["values"]],
            }
            for position in document["key_positions"]
        ],
    }


def _value_words(value: Mapping[str, Any]) -> dict[str, Any]:
    text = value_text(value["reference"], value["other"], value["unit"])
    return {"text": text, **{key: value[key] for key in ("joint", "label", "judged", "stated")}}


def _other_moments(findings: Sequence[Mapping[str, Any]]) -> str:
    """`, also 110° at 2.23 s, 84° at 0.30 s and 2 smaller`: of one joint, the largest first; empty
    if there are none."""
    moments = [
        f"{size_text(f['difference'], f['unit'])} at {f['time']:.2f} s" for f in findings[:_OTHERS]
    ]
    if more := len(findings) - len(moments):
        moments.append(f"{more} smaller")
    if len(moments) > 1:
        moments[-2:] = [" and ".join(moments[-2:])]
    return f", also {', '.join(moments)}" if moments else ""


def unjudged_line(row: Unjudged) -> str:
    """`Right elbow: 0.60 s not judged, not seen well enough in the other clip`."""
    name = joint_name(row.joint) if row.joint else "The whole body"
    return f"{name}: {row.seconds:.2f} s not judged, {row.reason}"
