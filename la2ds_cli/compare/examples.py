"""How unusual a clip is compared with good examples: which examples, and how it is measured.

The examples and the clip are all aligned to the reference. At every moment, each joint angle of the
clip is compared with the examples: its distance from their median, in units of their spread; the
tempo of each part likewise. A clip's score is that of its most unusual feature, and 1.0 is the
score of the most unusual example, each compared with the others in the same way. So another good
clip, drawn like the n examples, exceeds 1.0 by chance at most about once in n + 1 times.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.consensus import evenly_spaced
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.compare.differences import OTHER_VIEW, SURE
from la2ds_cli.compare.findings import Span
from la2ds_cli.compare.tempo import tempo
from la2ds_cli.compare.viewpoint import view_difference
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.joint_angles import angle_difference

MOST = 60  # more examples add little, and each must be aligned
LEAST_EXAMPLES = 4
LEAST_SPREAD = 5.0  # degrees; examples that agree better do so by chance or share joint errors
LEAST_TEMPO = 0.1  # of the logarithm of a ratio of durations
_LASTING = 0.05  # share of the known time that a difference must last to count
_AROUND = 0.05  # share of the movement on either side of a moment
_COUNTED = 0.5  # share of the examples that must show a moment


@dataclass(frozen=True)
class Anomaly:
    """score: of the clip, 1.0 = as unusual as the most unusual example; NaN = nothing could be
    measured. examples: (E,) their scores, each against the others. share_below: share of examples
    that are less unusual. features: (F,) angles, then parts of the movement (tempo). by_feature:
    (F,) scores in the same unit. unusual: (N, F) signed distances from the examples' median in
    spreads, NaN = not known; the tempo of a part is in all of its rows. driver: the feature that
    determines the score. row: its most unusual moment, a row of the reference.
    """

    score: float
    examples: FloatArray
    share_below: float
    features: tuple[str, ...]
    by_feature: FloatArray
    unusual: FloatArray
    row: int
    driver: str


@dataclass(frozen=True)
class Examples:
    """The good clips that `--examples` named. used: ids of the examples that were used; left_out:
    name -> why it was not. anomaly: None if there are too few; reason says so then."""

    used: tuple[str, ...]
    left_out: Mapping[str, str]
    anomaly: Anomaly | None
    reason: str = ""


def example_names(project: Project, selection: str, pair: tuple[str, str]) -> list[str]:
    """Clips that `selection` means: `all` of the project, those of the split `train`, or names
    separated by commas. The pair itself is left out, and so are further names of one clip; of more
    than MOST clips, MOST are chosen, evenly spaced. Raises UserError (exit 4) if no clip is left.
    """
    if selection in ("all", "train"):
        videos = project.posed_videos()
        names = [video.id for video in videos if selection == "all" or video.split == "train"]
    else:
        names = list(dict.fromkeys(name.strip() for name in selection.split(",") if name.strip()))
    known = project.video_list().find_each(names)
    # A clip that is named twice is one example; a name that is not in the project is its own.
    first: dict[str, str] = {}
    for name, video in known.items():
        if video is None or video.id not in pair:
            first.setdefault(name if video is None else video.id, name)
    names = list(first.values())
    if not names:
        raise UserError(
            f"--examples {selection} leaves no clip other than the two that are compared",
            hint="name other clips, or mark good ones with split=train in videos.csv",
            exit_code=ExitCode.UNUSABLE,
        )
    return evenly_spaced(names, MOST)


def measure_examples(
    names: Sequence[str],
    aligned: AlignResult,
    spans: Sequence[Span],
    align: Callable[[str], AlignResult],
    progress: Progress,
) -> Examples:
    """How unusual the other clip is compared with the named ones. align: aligns a clip to the
    reference.

    Clips that cannot be aligned are left out, and so are those filmed from another side, whose
    angles cannot be compared.
    """
    # How long the first and last parts of the reference take depends on how it was cut.
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
                view=example.alignment.view,
            ).turn
            if example.b.id in used:  # a file by another path
                left_out[name] = "it is already one of the examples"
            elif example.pose_a.spatial != aligned.pose_a.spatial:
                known = "in 3D" if example.pose_a.spatial else "in the image alone"
                left_out[example.b.name] = f"its angles are known {known}, unlike those compared"
            elif turn > OTHER_VIEW and not aligned.pose_a.spatial:
                left_out[example.b.name] = f"filmed from another side, {turn:.0f}° apart"
            else:
                used.append(example.b.id)
                values.append(
                    _feature_values(example, inner)
                )  # an alignment holds the features, too
        progress.advance()
    progress.end()
    if len(used) < LEAST_EXAMPLES:
        reason = (
            f"{len(used)} of the examples can be used, and {LEAST_EXAMPLES} are needed: fewer do "
            "not show how much good clips differ from each other, so nothing can be called unusual"
        )
        return Examples(tuple(used), left_out, None, reason)
    names_of = _features(aligned, inner)
    joints = len(names_of) - len(inner)
    least = np.array([LEAST_SPREAD] * joints + [LEAST_TEMPO] * len(inner))
    anomaly = measure_anomaly(_feature_values(aligned, inner), np.stack(values), names_of, least)
    return Examples(tuple(used), left_out, anomaly)


def _features(aligned: AlignResult, spans: Sequence[Span]) -> tuple[str, ...]:
    names, _ = angle_difference(
        aligned.pose_a, aligned.pose_b, np.full(len(aligned.pose_a), np.nan)
    )
    return (*names, *(f"tempo of {span.name}" for span in spans))


def _feature_values(result: AlignResult, spans: Sequence[Span]) -> FloatArray:
    """(N, F) differences of the angles from the reference, and the logarithm of each span's tempo
    ratio in the rows of the span; NaN where the alignment is not sure."""
    alignment = result.alignment
    _, angle = angle_difference(result.pose_a, result.shown_b, alignment.position)
    angle = np.where((alignment.confidence >= SURE)[:, None], angle, np.nan)
    pace = np.full((len(angle), len(spans)), np.nan)
    for k, row in enumerate(tempo(alignment, spans, {})):
        if row.sure and row.ratio > 0:
            pace[spans[k].rows, k] = np.log(row.ratio)
    return np.concatenate([angle, pace], axis=1)


# --- how unusual -------------------------------------------------------------------------------


def measure_anomaly(
    value: FloatArray, examples: FloatArray, features: tuple[str, ...], least: FloatArray
) -> Anomaly:
    """The anomaly of a clip. value: (N, F) of the clip; examples: (E, N, F) in the same units, NaN
    = not known; least: (F,) smallest spread of each feature. Raises ValueError for fewer than
    LEAST_EXAMPLES."""
    if len(examples) < LEAST_EXAMPLES:
        raise ValueError(f"expected at least {LEAST_EXAMPLES} examples, got {len(examples)}")
    alone = [
        _by_feature(distances(example, np.delete(examples, k, axis=0), least))
        for k, example in enumerate(examples)
    ]
    # One unit for all features: with one unit per feature, a good clip would have as many chances
    # to exceed 1.0 as there are features.
    own = np.array([_greatest(row) for row in alone])
    unit = _greatest(own)
    unusual = distances(value, examples, least)
    by_feature = _by_feature(unusual) / (unit if unit > 0 else np.nan)
    own = own / (unit if unit > 0 else np.nan)
    score = _greatest(by_feature)
    if np.isnan(score):
        return Anomaly(score, own, np.nan, features, by_feature, unusual, 0, "")
    at = int(np.nanargmax(by_feature))
    row = int(np.nanargmax(np.abs(unusual[:, at])))
    below = float((own < score).mean())
    return Anomaly(score, own, below, features, by_feature, unusual, row, features[at])


def distances(value: FloatArray, examples: FloatArray, least: FloatArray) -> FloatArray:
    """(N, F) distances of value (N, F) from the median of examples (E, N, F), in their spreads.

    The spread is the root mean square distance from the median. Half of its variance comes from the
    nearby rows (_AROUND), since good clips differ more at some moments than at others, and half
    from the entire movement, since few examples say little about one moment; the square of `least`
    (F,) is added. NaN where fewer than half of the examples are known, or fewer than three.
    """
    known = ~np.isnan(examples)
    enough = known.sum(axis=0) >= max(3, _COUNTED * len(examples))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows that no example shows
        centre = np.nanmedian(examples, axis=0)
        squared = (examples - centre) ** 2
        around = _mean_around(squared, max(1, round(_AROUND * len(value))))
        overall = np.nanmean(squared, axis=(0, 1))
    # The examples lie nearer to their own median than a further clip would.
    variance = (around + overall) / 2 * len(examples) / (len(examples) - 1)
    return np.where(enough, (value - centre) / np.sqrt(variance + least**2), np.nan)


def _mean_around(value: FloatArray, half: int) -> FloatArray:
    """(N, F) mean of the known values of value (E, N, F) >= 0 over all examples and `half` rows on
    either side; NaN if none is known. Running sums, since windows of a long clip would fill memory.
    """
    rows = np.arange(value.shape[1])
    first, stop = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(rows))
    known = ~np.isnan(value)
    sums = [np.where(known, value, 0).sum(axis=0), known.sum(axis=0).astype(np.float64)]
    running = [np.vstack([np.zeros(s.shape[1]), np.cumsum(s, axis=0)]) for s in sums]
    total, count = (r[stop] - r[first] for r in running)
    return np.where(count > 0, np.maximum(total, 0) / np.maximum(count, 1), np.nan)


def _by_feature(unusual: FloatArray) -> FloatArray:
    """(F,) distance that is exceeded for _LASTING of the known time; NaN where nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanpercentile(np.abs(unusual), 100 * (1 - _LASTING), axis=0)


def _greatest(value: FloatArray) -> float:
    """The greatest known value, NaN if none is known."""
    known = value[~np.isnan(value)]
    return float(known.max()) if len(known) else float("nan")
