"""The page of a project: its clips, training runs and results, with links to the pages of pairs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from la2ds_cli.core import artifact
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.health.status import ProjectStatus, project_status
from la2ds_cli.views.report import clip_table, result_tables
from la2ds_cli.views.report.page import Html, items, page, text
from la2ds_cli.views.report.pair import FOLDER, PAGE, SUFFIX

INDEX = "index.html"


@dataclass(frozen=True)
class ProjectReport:
    """A page that was written. clips: in its table. pairs: pages that it links to."""

    file: Path
    bytes: int
    clips: int
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        return {
            "file": str(self.file),
            "bytes": self.bytes,
            "clips": self.clips,
            "pairs": self.pairs,
        }


def report_project(
    project: Project,
    *,
    out: Path | None = None,
    privacy: bool = False,
    progress: Progress | None = None,
) -> ProjectReport:
    """Write the page of a project; nothing else is made or changed.

    out: the file, by default results/report/index.html; an existing one is replaced. privacy:
    drawings of joints instead of pictures. UserError (exit 2) for another suffix than .html.
    """
    progress = progress or Progress()
    target = project.results_dir(FOLDER) / INDEX if out is None else out
    checked_outputs(project, [target], *PAGE)
    found = project_status(project, project.config())
    clips = clip_table.clip_rows(project, privacy=privacy, progress=progress)
    pairs = pair_pages(project)
    content = page(
        "overview.html",
        f"{project.root.name} · la2ds",
        styles=("page.css", "overview.css"),
        heading=text(project.root.name),
        facts=_facts(found),
        pairs=_pairs(project, pairs, target),
        clips=clip_table.table(clips),
        runs=result_tables.runs(found.runs),
        results=result_tables.evaluations(project),
    )
    artifact.write_bytes(target, content)
    return ProjectReport(target, len(content), len(clips), len(pairs))


def pair_pages(project: Project) -> list[tuple[Path, tuple[str, str]]]:
    """Pages of pairs in results/report, with the ids of both clips, in the order of the names."""
    ids = {video.id for video in project.videos()}
    found = []
    for path in sorted(project.results_dir(FOLDER).glob(f"*--*{SUFFIX}")):
        # An id may itself hold "--": take the split at which both sides are clips.
        parts = path.stem.split("--")
        for k in range(1, len(parts)):
            pair = ("--".join(parts[:k]), "--".join(parts[k:]))
            if set(pair) <= ids:
                found.append((path, pair))
                break
    return found


def _facts(found: ProjectStatus) -> Html:
    count = "1 clip" if found.videos == 1 else f"{found.videos} clips"
    splits = ", ".join(f"{n} {name or 'in no split'}" for name, n in found.splits.items())
    lines = [f"{count}{f' ({splits})' if splits else ''}, {found.labelled} with phases"]
    for step in found.steps:
        gone = [f"{len(rows)} {kind}" for kind, rows in _behind(step) if rows]
        if gone:
            lines.append(f"{step.step} {step.run}".strip() + ": " + ", ".join(gone))
    body = "".join(f"<p>{text(line)}</p>" for line in lines)
    return f'<p class="soft">preset {text(found.preset)}</p>{body}'


def _behind(step: Any) -> list[tuple[str, Any]]:
    # What nobody asked for is not missing: heatmaps and embeddings are made when they are needed.
    return [("stale", step.stale), ("missing", step.missing if step.step == "poses" else [])]


def _pairs(project: Project, pairs: list[tuple[Path, tuple[str, str]]], target: Path) -> Html:
    if not pairs:
        return '<p class="soft">None yet: <code>la2ds report A B</code> makes one.</p>'
    names = {video.id: video.name for video in project.videos()}
    lines = []
    for path, (a, b) in pairs:
        way = Path(os.path.relpath(path, target.resolve().parent)).as_posix()
        size = path.stat().st_size / 1e6
        lines.append(
            f'<a href="{text(quote(way))}">{text(names[a])} and {text(names[b])}</a> '
            f'<span class="soft">{size:.1f} MB</span>'
        )
    return items(lines, "plain")
