"""The CSV files of an evaluation: one row per carried event, and one per video and metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from la2ds_cli.evaluation.measure import Measure
from la2ds_cli.evaluation.scoring import Scored
from la2ds_cli.evaluation.trims import EvaluationClip

# What stands for one video is not always the metric itself.
_OF_A_VIDEO = {"phase_progression": "phase_progression_mean_absolute_error"}


def events_csv(results: Mapping[str, Scored], clips: Sequence[EvaluationClip]) -> str:
    """Errors in frames, in percent of the untrimmed length of B and in seconds."""
    header = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent"]
    rows = (
        [name, e.draw, clips[e.a].id, clips[e.b].id, e.event]
        + [round(value, 6) for value in (e.frames, e.percent, e.seconds)]
        for name, scored in results.items()
        for e in scored.errors
    )
    return _csv([*header, "error_seconds"], rows)


def videos_csv(results: Mapping[str, Scored], clips: Sequence[EvaluationClip]) -> str:
    """One row per feature set, metric and test video. count: frames, pairs or events behind the
    value. Event transfer: the mean error of what was carried onto the video, in percent."""
    rows: list[list[object]] = []
    for name, scored in results.items():
        for (metric, part), measure in scored.measures.items():
            rows += _metric_rows(name, metric, part, measure)
        onto: dict[int, list[float]] = {}
        for error in scored.errors:
            onto.setdefault(error.b, []).append(error.percent)
        rows += [
            [name, "event_transfer_mean_percent", "", clips[b].id, _short(np.mean(v)), len(v)]
            for b, v in sorted(onto.items())
        ]
    return _csv(["feature", "metric", "part", "video", "value", "count"], rows)


def _metric_rows(name: str, metric: str, part: str, measure: Measure) -> list[list[object]]:
    shown = _OF_A_VIDEO.get(metric, metric)
    return [[name, shown, part, v.video, _short(v.value), v.count] for v in measure.by_video]


def _short(value: float | np.floating) -> float:
    return round(float(value), 6)


def _csv(header: list[str], rows: Iterable[list[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
