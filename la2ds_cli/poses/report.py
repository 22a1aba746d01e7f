"""What came of an extraction: one result per file, and the report files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from la2ds_cli import artifact
from la2ds_cli.batch import ItemResult, Status
from la2ds_cli.project import Project

_LOW_COVERAGE = 0.5
_FACTS = ("coverage", "mean_score", "margin", "people", "detector", "pose")


def item_result(path: str, video: str, info: Mapping[str, Any], *, cached: bool) -> ItemResult:
    """Result of a clip that has poses; `info` is that of its PoseSequence.

    V003 truncated file, V021 ambiguous subject, V022 subject in less than half of the frames,
    V023 joined over cuts of the film.
    """
    code, message, hint = _weakness(info)
    status: Status = "cached" if cached else "degraded" if code else "ok"
    frames = int(info.get("frames", 0))
    return ItemResult(path, video, status, frames, code=code, message=message, hint=hint)


def _weakness(info: Mapping[str, Any]) -> tuple[str, str, str]:
    if info.get("truncated"):
        return (
            "V003",
            f"decoded {info['frames']} frames, {info['seconds']:.1f} s of the "
            f"{info['seconds_declared']:.1f} s that the file declares",
            "the file is cut off or damaged; copy or export it again if the rest matters",
        )
    if info.get("ambiguous"):
        return (
            "V021",
            f"ambiguous subject: another person fits nearly as well (margin {info['margin']:.2f})",
            "look at the overlay; crop the clip to the one person if the choice is wrong",
        )
    if info.get("cuts"):
        return (
            "V023",
            f"the film has cuts; the subject was joined from {info['cuts'] + 1} pieces",
            "cut the clip to one view if the alignment jumps",
        )
    if info.get("coverage", 1) < _LOW_COVERAGE:
        return (
            "V022",
            f"the subject is seen in {info['coverage']:.0%} of the frames",
            "cut the clip to the movement, or film with the whole body in the picture",
        )
    return "", "", ""


def write_report(project: Project, results: Sequence[ItemResult], seconds: Sequence[float]) -> None:
    """results/extract/report.json and report.csv: every file with its outcome and its facts."""
    rows = []
    for result, spent in zip(results, seconds, strict=True):
        info = _info(project, result.video) if result.usable else {}
        facts = {name: info.get(name) for name in _FACTS}
        rows.append({**result.to_json(), **facts, "seconds": round(spent, 2)})
    folder = project.results_dir("extract")
    artifact.write_json(folder / "report.json", {"schema_version": 1, "items": rows})
    columns = [*ItemResult("", "", "ok").to_json(), *_FACTS, "seconds"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    artifact.write_text(folder / "report.csv", buffer.getvalue())


def _info(project: Project, video: str) -> Mapping[str, Any]:
    return artifact.read_header(project.pose_path(video))[1]["info"]
