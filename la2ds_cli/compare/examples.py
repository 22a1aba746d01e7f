"""The good examples of a comparison: which clips, each laid over the time of the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from la2ds_cli.alignment.align_result import AlignResult
from la2ds_cli.alignment.routes import spread_out
from la2ds_cli.compare.anomaly import LEAST_EXAMPLES, LEAST_SPREAD, LEAST_TEMPO, measure
from la2ds_cli.compare.differences import OTHER_VIEW, SURE
from la2ds_cli.compare.result import Examples
from la2ds_cli.compare.spans import Span
from la2ds_cli.compare.tempo import tempo
from la2ds_cli.compare.view import view_difference
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.joint_angles import angle_difference

MOST = 60  # more examples than that tell little more, and each is aligned


def example_names(project: Project, wanted: str, pair: tuple[str, str]) -> list[str]:
    """Clips that `wanted` means: `all` of the project, those of the split `train`, or names
    divided by commas; the pair itself is left out, and of more than MOST evenly spread ones are
    taken. UserError (exit 4) where nothing is left.
    """
    if wanted in ("all", "train"):
        names = [
            video.id
            for video in project.videos()
            if project.pose_path(video.id).exists() and (wanted == "all" or video.split == "train")
        ]
    else:
        names = list(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    known = {name: project.find(name) for name in names}
    names = [name for name, video in known.items() if video is None or video.id not in pair]
    if not names:
        raise UserError(
            f"--examples {wanted} leaves no clip beside the two that are compared",
            hint="name other clips, or mark good ones with split=train in videos.csv",
            exit_code=ExitCode.UNUSABLE,
        )
    return spread_out(names, MOST)


def measure_examples(
    names: Sequence[str],
    aligned: AlignResult,
    spans: Sequence[Span],
    align: Callable[[str], AlignResult],
    progress: Progress,
) -> Examples:
    """How unusual the other clip is beside the named ones; align: aligns a clip to the reference.

    Left out are clips that cannot be aligned and those filmed from another side, whose angles do
    not compare.
    """
    # How long a part at the end of a clip takes is how the clip was cut.
    inner = [span for span in spans if span.first > 0 and span.stop < len(aligned.pose_a)]
    used: list[str] = []  # ids: two clips may have one name
    values: list[FloatArray] = []
    left_out: dict[str, str] = {}
    progress.begin("aligning examples", len(names))
    for name in names:
        try:
            example = align(name)
        except UserError as error:
            left_out[name] = error.message
        else:
            turn = view_difference(
                example.pose_a,
                example.pose_b,
                example.alignment.position,
                mirrored=example.alignment.mirrored,
            ).turn
            if turn > OTHER_VIEW:
                left_out[example.b.name] = f"filmed from another side, {turn:.0f}° apart"
            else:
                used.append(example.b.id)
                values.append(_value(example, inner))  # an alignment holds the features, too
        progress.advance()
    progress.end()
    if len(used) < LEAST_EXAMPLES:
        reason = (
            f"{len(used)} of the examples can be used, and {LEAST_EXAMPLES} are needed: fewer do "
            "not show how far good clips differ among themselves, so nothing can be called unusual"
        )
        return Examples(tuple(used), left_out, None, reason)
    names_of = _features(aligned, inner)
    joints = len(names_of) - len(inner)
    least = np.array([LEAST_SPREAD] * joints + [LEAST_TEMPO] * len(inner))
    anomaly = measure(_value(aligned, inner), np.stack(values), names_of, least)
    return Examples(tuple(used), left_out, anomaly)


def _features(aligned: AlignResult, spans: Sequence[Span]) -> tuple[str, ...]:
    names, _ = angle_difference(
        aligned.pose_a, aligned.pose_b, np.full(len(aligned.pose_a), np.nan)
    )
    return (*names, *(f"tempo of {span.name}" for span in spans))


def _value(result: AlignResult, spans: Sequence[Span]) -> FloatArray:
    """(N, F) differences of the angles from the reference, and the logarithm of how long each span
    takes beside it, in the rows of the span; NaN where the alignment is not sure."""
    found = result.alignment
    _, angle = angle_difference(
        result.pose_a, result.pose_b, found.position, mirrored=found.mirrored
    )
    angle = np.where((found.confidence >= SURE)[:, None], angle, np.nan)
    pace = np.full((len(angle), len(spans)), np.nan)
    for k, row in enumerate(tempo(found, spans, {})):
        if row.sure and row.ratio > 0:
            pace[spans[k].rows, k] = np.log(row.ratio)
    return np.concatenate([angle, pace], axis=1)
