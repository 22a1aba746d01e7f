"""Phase labels that come with imported clips: checked as a whole, then merged into phases.csv."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from la2ds_cli import artifact
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.phases_csv import phases_text, read_phases
from la2ds_cli.project import Project
from la2ds_cli.types import Phase

Labels = dict[str, list[Phase]]


def check_phases(
    path: Path, clips: Mapping[str, tuple[str, int]], elsewhere: Collection[str]
) -> Labels:
    """Phases of each video id from a `video,start,end,phase` CSV (frames, end exclusive).

    clips: name in the CSV -> (project id, frames); elsewhere: names of the data set that are not
    imported, whose rows are left out. UserError (exit 5) names the row of an unknown video, of a
    phase beyond the clip's end, or of one that overlaps another; exit 3 when there is no file.
    """
    if not path.is_file():
        raise UserError(
            f"there is no phase file {path}",
            hint="check the path given with --phases",
            exit_code=ExitCode.UNREADABLE,
        )
    labels: Labels = {}
    for line, (name, phase) in enumerate(read_phases(path), start=2):
        if name in clips:
            video, frames = clips[name]
            if phase.end > frames:
                raise _row_error(path, line, f"'{name}' has {frames} frames, not {phase.end}")
            earlier = labels.setdefault(video, [])
            for other in earlier:
                if phase.start < other.end and other.start < phase.end:
                    raise _row_error(
                        path, line, f"'{phase.name}' overlaps '{other.name}' of video '{name}'"
                    )
            earlier.append(phase)
        elif name not in elsewhere:
            near = get_close_matches(name, [*clips, *elsewhere], n=1)
            hint = f"did you mean '{near[0]}'?" if near else "use the file name without its ending"
            raise _row_error(path, line, f"there is no video '{name}'", hint)
    return labels


def _row_error(path: Path, line: int, problem: str, hint: str = "") -> UserError:
    return UserError(
        f"{path} line {line}: {problem}",
        hint=hint or "correct the row: frame numbers start at 0, the end is exclusive",
        exit_code=ExitCode.MISMATCH,
    )


def merge_phases(project: Project, labels: Labels) -> None:
    """Write labels into the project's phases.csv; rows of other videos stay as they are."""
    old = read_phases(project.phases_path) if project.phases_path.exists() else []
    videos = {name: project.find(name) for name in dict(old)}
    rows = [
        (name, phase)
        for name, phase in old
        if (video := videos[name]) is None or video.id not in labels
    ]
    for name in sorted(labels):
        rows += [(name, phase) for phase in sorted(labels[name], key=lambda p: p.start)]
    artifact.write_text(project.phases_path, phases_text(rows))
