"""Repetitions of a clip and their alignments as files: JSON, CSV, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.alignment import tables
from la2ds_cli.core import artifact
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.features.resample import seconds_at
from la2ds_cli.views import figure

if TYPE_CHECKING:
    from la2ds_cli.alignment.aligned_repetitions import AlignedRepetition, RepetitionsResult

_REPEATED = ("schema_version", "a", "b", "files")  # said once for all repetitions


def to_json(result: RepetitionsResult) -> dict[str, Any]:
    """All repetitions with their tempo, and the alignments that were asked for."""
    usual = usual_seconds(result)
    clips = {}
    for side, video, pose in (("a", result.a, result.pose_a), ("b", result.b, result.pose_b)):
        clips[side] = {
            "video": video.id,
            "path": video.path,
            "frames": len(pose),
            "start": float(pose.time[0]),
            "end": float(pose.time[-1]),
        }
    clips["a"]["repetition"] = {
        "number": result.of_a[0],
        "of": result.of_a[1],
        "start": seconds_at(result.pose_a, result.span_a.start),
        "end": seconds_at(result.pose_a, result.span_a.stop),
    }
    return {
        "schema_version": tables.SCHEMA_VERSION,
        **clips,
        "repetition": result.wanted,
        "count": len(result.repetitions),
        "best": result.best,
        "usual_seconds": tables.rounded([usual])[0],
        "repetitions": [_one(result, each, usual) for each in result.repetitions],
        "files": [str(file) for file in result.files],
    }


def usual_seconds(result: RepetitionsResult) -> float:
    """Median duration of the repetitions of B."""
    return float(np.median([each.seconds for each in result.repetitions]))


def csv_text(result: RepetitionsResult) -> str:
    """The paths of the repetitions asked for, one row a pair, rows of the whole clips."""
    lines: list[str] = []
    for each in result.chosen:
        header, *rows = tables.csv_text(result.whole(each).alignment).splitlines()
        lines = lines or [f"repetition,{header}"]
        lines += [f"{each.number},{row}" for row in rows]
    return "\n".join(lines) + "\n"


def write(
    project: Project, result: RepetitionsResult, out: Sequence[Path], progress: Progress
) -> RepetitionsResult:
    """Write files by suffix; by default a picture and a JSON file in results/align.

    With `all` a picture shows the repetitions on B's timeline, and beside it each alignment has a
    picture with its number at the end of the name.
    """
    if not out:
        name = f"{result.a.id}--{result.b.id}-{_label(result)}"
        out = [project.results_dir("align") / f"{name}{kind}" for kind in (".png", ".json")]
    pictures = [path for path in out if path.suffix.lower() in figure.SUFFIXES]
    drawn = {}
    if pictures:
        progress.begin("drawing", len(result.chosen))
        for each in result.chosen:
            drawn[each.number] = _drawn(project, each)
            progress.advance()
        progress.end()
    overview = None
    if pictures and result.wanted == "all":
        from la2ds_cli.views import repetitions_figure as plot_repetitions

        overview = plot_repetitions.draw(project, result)
    files = []
    for path in out:
        files.append(path)
        if path in pictures and overview is not None:
            files += [numbered(path, each.number) for each in result.chosen]
    result = replace(result, files=tuple(files))
    for path in out:
        kind = path.suffix.lower()
        if kind == ".csv":
            artifact.write_text(path, csv_text(result))
        elif kind == ".json":
            artifact.write_json(path, to_json(result))
        elif overview is None:
            artifact.write_bytes(path, figure.render(drawn[result.chosen[0].number], kind[1:]))
        else:
            artifact.write_bytes(path, figure.render(overview, kind[1:]))
            for number, picture in drawn.items():
                artifact.write_bytes(numbered(path, number), figure.render(picture, kind[1:]))
    return result


def numbered(path: Path, number: int) -> Path:
    """ab.png -> ab-2.png."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _label(result: RepetitionsResult) -> str:
    if result.wanted == "all":
        return "repetitions"
    return f"repetition-{result.chosen[0].number}"


def _drawn(project: Project, each: AlignedRepetition) -> Any:
    from la2ds_cli.views import alignment_figure as plot

    if each.part is None:
        raise ValueError(f"repetition {each.number} was not aligned")
    return plot.draw(project, each.part)


def _one(result: RepetitionsResult, each: AlignedRepetition, usual: float) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "number": each.number,
        "start": each.start,
        "end": each.end,
        "start_index": each.span.start,
        "stop_index": each.span.stop,
        "seconds": tables.rounded([each.seconds])[0],
        "tempo": tables.rounded([usual / each.seconds])[0],
        "score": tables.rounded([each.span.score])[0],
    }
    if each.part is None:
        return {**facts, "mean_cost": None, "mean_confidence": None, "speed_ratio": None}
    found = result.whole(each).to_json()
    facts |= {name: found[name] for name in ("mean_cost", "mean_confidence", "speed_ratio")}
    if each in result.chosen:
        sure = found["confidence_is"].replace("B's length", "the repetition's length")
        kept = {name: value for name, value in found.items() if name not in _REPEATED}
        facts["alignment"] = {**kept, "confidence_is": sure}
    return facts
