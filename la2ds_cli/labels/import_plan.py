"""Step: import labels of other tools into phases.csv.

All files are read and checked before phases.csv is written, once, so an interrupted import has
written everything or nothing, and can be run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from la2ds_cli.core.artifact import cannot_read
from la2ds_cli.core.batch import ItemResult, error_row, unexpected
from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.clip_names import is_part
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import ClipPhases, PhaseRow, PhaseTable
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.labels.exchange import clips_of, file_edges, phases_in
from la2ds_cli.labels.files import LabelError, LabelFile, Read, reader
from la2ds_cli.poses.current import clip_named


@dataclass
class Proposal:
    """New labels of a clip.

    path: of the label file. title: of the labels in it, for messages. problem: a defect of labels
    that are imported nevertheless, empty if there is none.
    """

    path: str
    title: str
    video: Video
    phases: list[Phase]
    problem: str = ""


@dataclass
class _Plan:
    """The plan of an import: results, and proposals that become results."""

    items: list[ItemResult | Proposal] = field(default_factory=list)

    @property
    def proposals(self) -> list[Proposal]:
        return [item for item in self.items if isinstance(item, Proposal)]

    def settle(self, proposal: Proposal, item: ItemResult) -> None:
        """Replace a proposal by its result."""
        at = next(n for n, other in enumerate(self.items) if other is proposal)
        self.items[at] = item

    def refuse(self, proposal: Proposal, status: str, code: str, message: str, hint: str) -> None:
        """Replace a proposal by a result that says why it is not imported."""
        path, video = proposal.path, proposal.video.id
        assert status in ("failed", "skipped")
        self.settle(proposal, ItemResult(path, video, status, 0, code, message, hint))


def import_labels(
    project: StoredProject,
    format_name: str,
    paths: Sequence[Path],
    *,
    layer: str = "",
    clip: str = "",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Write the labels of files, or of the files of folders, into phases.csv.

    Parameters
    ----------
    format_name: of the files.
    paths: files and folders.
    layer: the tier, subject or attribute to read.
    clip: the clip that all labels are for; empty = the clips that the files name.
    overwrite: replace labels that a person has placed. The old phases.csv is saved.

    Returns
    -------
    list: a result for each clip with labels, and for each file or observation without any; `frames`
        is the number of phases. `cached`: the clip has these labels already. I001 (failed): the
        file is not in the format. I003: its phases overlap, lie outside the clip or belong to a
        longer film (failed), or were cut or left out (degraded). I005 (failed): no clip, or several
        films, fit. I006 (skipped): a person has labelled the clip. I008 (failed): labels contradict
        others of this import. E002 (failed): the clip has no poses.

    Raises
    ------
    UserError: before anything is written: exit 2 for an unknown format or no file, 3 or 5 for
        `clip`, 5 if phases.csv cannot be read, 7 if it cannot be written.
    """
    read, suffixes = reader(format_name)
    target = clip_named(project, clip) if clip else None
    plan = _Plan()
    for path in progress.over(f"reading {format_name}", _files(paths, suffixes)):
        _add_file(plan, project, path, read, layer, target)
    with project.tables():
        table = _decide(plan, project.clip_phases(), overwrite)
        if table is not None:
            project.write_phase_table(table)
    return [item for item in plan.items if isinstance(item, ItemResult)]


def _files(paths: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of the paths, without repeats; raises UserError (exit 2) if there are
    none."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
        else:
            files.append(path)
    if not files:
        raise UserError(
            f"no file of this format in {', '.join(map(str, paths))}",
            hint=f"its files end in {', '.join(suffixes)}",
        )
    return list(dict.fromkeys(files))


# --- reading and checking each file ---------------------------------------------------------------


def _add_file(
    plan: _Plan, project: StoredProject, path: Path, read: Read, layer: str, target: Video | None
) -> None:
    """Add the proposals of a file. target: the clip that it is for, None = the clip it names."""
    hint = "write the file again, or name the right format"
    try:
        contents = read(path, layer)
        if not any(isinstance(labels, LabelError) or labels.phases for labels in contents):
            contents = [LabelError(f"{path.name} has no labels with a start and an end")]
        for labels in contents:
            if isinstance(labels, LabelError):
                row = ItemResult(str(path), "", "failed", 0, "I001", str(labels), hint)
                plan.items.append(row)
            elif labels.phases:
                plan.items += _proposals(project, path, labels, target)
    except LabelError as error:
        plan.items.append(ItemResult(str(path), "", "failed", 0, "I001", str(error), hint))
    except OSError as error:
        plan.items.append(error_row(str(path), cannot_read(path, error), code="I001"))
    except UserError as error:
        if error.exit_code == ExitCode.STORAGE:
            raise
        plan.items.append(error_row(str(path), error, code="I001"))
    except Exception as error:
        plan.items.append(unexpected(project, str(path), error))


def _proposals(
    project: StoredProject, path: Path, labels: LabelFile, target: Video | None
) -> list[ItemResult | Proposal]:
    """Return what the labels of a video mean for each clip that shows some of them."""
    title = labels.title or path.name
    try:
        videos = [target] if target is not None else clips_of(project, labels, path.stem)
    except UserError as error:
        row = error_row(str(path), error, code="I005")
        message = f"{title}: {row.message}" if labels.title else row.message
        return [ItemResult(str(path), "", "failed", 0, row.code, message, row.hint)]
    items: list[ItemResult | Proposal] = []
    for video in videos:
        item = _judge(project, path, labels, video)
        if item is not None:
            items.append(item)
    if not items:
        message = f"{title} has no labels within the frames of {videos[0].name}"
        hint = "if they are for another film, --clip names its clip"
        items = [ItemResult(str(path), "", "failed", 0, "I003", message, hint)]
    return items


def _judge(
    project: StoredProject, path: Path, labels: LabelFile, video: Video
) -> ItemResult | Proposal | None:
    """Return what the labels of a video mean for a clip; None if it shows none of them."""
    try:
        pose, _ = project.read_pose(video.id)
    except UserError as error:
        return error_row(str(path), error, video.id, code="E002")
    phases, short = phases_in(labels, pose, video)
    problem = ""
    if not is_part(video):
        stop = float(file_edges(pose, video)[-1])
        beyond = [label for label in labels.phases if label.start >= stop]
        if beyond:
            message = f"{beyond[-1].name} begins at {beyond[-1].start:.2f} s and ends at "
            message += f"{beyond[-1].end:.2f} s, but {video.name} ends at {stop:.2f} s"
            hint = "these are labels of a longer film; --clip names the right clip"
            return ItemResult(str(path), video.id, "failed", 0, "I003", message, hint)
        last = max(labels.phases, key=lambda label: label.end)
        if stop + 1 / pose.fps < last.end < float("inf"):
            problem = f"{last.name} ends at {last.end:.2f} s and was cut at the end, {stop:.2f} s"
    if not phases and not short:
        return None
    for before, after in pairwise(phases):
        if after.start < before.end:
            message = f"{before.name} and {after.name} overlap at frame {after.start}"
            hint = "a frame has one phase; --layer reads one tier or subject of the file"
            return ItemResult(str(path), video.id, "failed", 0, "I003", message, hint)
    if short:
        problem = f"{short[0].name} at {short[0].start:.3f} s is shorter than half a frame"
        problem += f", as are {len(short) - 1} more" if len(short) > 1 else ""
        if not phases:
            return ItemResult(
                str(path), video.id, "failed", 0, "I003", problem, "make the labels longer"
            )
    return Proposal(str(path), labels.title or path.name, video, phases, problem)


# --- deciding what is imported --------------------------------------------------------------------


def _decide(plan: _Plan, old: ClipPhases, overwrite: bool) -> PhaseTable | None:
    """Replace every proposal by its result, and return the new table, None if nothing changes."""
    _refuse_rivals(plan)
    new: dict[str, list[PhaseRow]] = {}
    unchanged: list[Proposal] = []
    for proposal in plan.proposals:
        video = proposal.video
        rows = old.by_clip.get(video.id, [])
        if [row.phase for row in rows] == proposal.phases:
            unchanged.append(proposal)
        elif any(row.phase.is_placed for row in rows) and not overwrite:
            message = f"{video.name} has labels set by a person"
            hint = "--overwrite replaces them; the old phases.csv is saved"
            plan.refuse(proposal, "skipped", "I006", message, hint)
        else:
            kept = {row.phase: row for row in rows}
            new[video.id] = [
                kept.get(phase, PhaseRow(video.id, phase)) for phase in proposal.phases
            ]
    table = _table_without_conflicts(plan, old, new)
    for proposal in plan.proposals:
        status = "cached" if proposal in unchanged else "ok"
        path, video, count = proposal.path, proposal.video.id, len(proposal.phases)
        item = ItemResult(path, video, status, count)
        if proposal.problem:
            hint = "look at the clip in la2ds studio"
            item = ItemResult(path, video, "degraded", count, "I003", proposal.problem, hint)
        plan.settle(proposal, item)
    return table if new else None


def _refuse_rivals(plan: _Plan) -> None:
    """Refuse proposals for the same clip that contradict each other."""
    by_clip: dict[str, list[Proposal]] = {}
    for proposal in plan.proposals:
        by_clip.setdefault(proposal.video.id, []).append(proposal)
    for rivals in by_clip.values():
        if any(rival.phases != rivals[0].phases for rival in rivals):
            for rival in rivals:
                _refuse_contradiction(plan, rival, [each for each in rivals if each is not rival])


def _table_without_conflicts(
    plan: _Plan, old: ClipPhases, new: dict[str, list[PhaseRow]]
) -> PhaseTable:
    """Return the table with new rows.

    If the labels of a film and of a part of it differ, so that a clip would not show the labels of
    its file, no labels of that film are imported.
    """
    table = old.replaced(new)
    shown = old.of_table(table).by_clip
    wrong = {
        family(proposal.video.id)
        for proposal in plan.proposals
        if _counted(row.phase for row in shown.get(proposal.video.id, ()))
        != _counted(proposal.phases)
    }
    for file in wrong:
        rivals = [each for each in plan.proposals if family(each.video.id) == file]
        for rival in rivals:
            new.pop(rival.video.id, None)
            _refuse_contradiction(plan, rival, [each for each in rivals if each is not rival])
    return old.replaced(new) if wrong else table


def _counted(phases: Iterable[Phase]) -> list[tuple[int, int, str, bool]]:
    """Return the parts of phases that must agree; the origin of an end that is cut off may
    differ."""
    return [(phase.start, phase.end, phase.name, phase.is_truth) for phase in phases]


def _refuse_contradiction(plan: _Plan, proposal: Proposal, others: Sequence[Proposal]) -> None:
    other = others[0].title if others else "another label file"
    message = f"{proposal.title} and {other} have different labels for {proposal.video.name}"
    plan.refuse(
        proposal,
        "failed",
        "I008",
        message,
        "import one of them, or name the clip of each with --clip",
    )
