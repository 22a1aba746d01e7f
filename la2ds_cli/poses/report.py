"""What came of an extraction: one result per file, and the report files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult, Status
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.poses.quality import FACTS, assess
from la2ds_cli.poses.verdict import verdict

# Facts of a row beside those of quality.assess.
_ABOUT = (
    *("margin", "people", "persons", "cuts", "fps", "variable_rate", "width", "height", "hdr"),
    *("duplicate_of", "skeleton", "detector", "pose"),
)


def item_result(path: str, video: str, info: Mapping[str, Any], *, cached: bool) -> ItemResult:
    """Result of a clip that has poses; `info` is that of its PoseSequence.

    The code is that of the most serious weakness (la2ds_cli.poses.verdict); a clip that was done
    before is `cached` and keeps it.
    """
    found = verdict(info)
    status: Status = "cached" if cached else found.status
    frames = int(info.get("frames", 0))
    return ItemResult(
        path, video, status, frames, code=found.code, message=found.message, hint=found.hint
    )


def note_weakness(progress: Progress, name: str, info: Mapping[str, Any]) -> None:
    """Tell the most serious weakness of a clip that a command is about to use, if it has one."""
    found = verdict(info)
    if found.code:
        progress.note(f"{name}: {found.message} ({found.code}); {found.hint}")


def write_report(
    project: Project, results: Sequence[ItemResult], seconds: Sequence[float], suffix: str = ""
) -> None:
    """results/extract/report.json and report.csv: every file with its outcome and its facts.

    codes: every weakness of a clip, not only the first. seconds: what each file took. suffix: of
    the file names, for reports that stand beside each other.
    """
    rows = []
    for result, spent in zip(results, seconds, strict=True):
        facts = clip_facts(project, result.video) if result.usable else {}
        known = {name: facts.get(name) for name in (*FACTS, *_ABOUT)}
        codes = verdict(facts).codes or [code for code in [result.code] if code]
        rows.append({**result.to_json(), "codes": codes, **known, "seconds": round(spent, 2)})
    folder = project.results_dir("extract")
    artifact.write_json(folder / f"report{suffix}.json", {"schema_version": 1, "items": rows})
    columns = [*ItemResult("", "", "ok").to_json(), "codes", *FACTS, *_ABOUT, "seconds"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "codes": " ".join(row["codes"])} for row in rows)
    artifact.write_text(folder / f"report{suffix}.csv", buffer.getvalue())


def clip_facts(project: Project, video: str) -> dict[str, Any]:
    """Facts of a clip's poses; measured here where none were stored, as with imported joints."""
    _, header = artifact.read_header(project.pose_path(video))
    width, height = header["size"]
    about = {"fps": header["fps"], "skeleton": header["skeleton"], "width": width, "height": height}
    info = header["info"]
    if not set(FACTS) <= set(info):
        pose, _ = project.read_pose(video)
        info = {"frames": len(pose), **assess(pose), **info}
    return {**about, **info}
