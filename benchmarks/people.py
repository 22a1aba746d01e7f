"""Clips whose events people set, and clips of Penn Action, as projects and pairs for benchmarks.

The people of a data set are divided into two halves. Each half is tested in a project of its own,
whose other clips are those of the other half. `draws` makes pairs of each kind.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import Cell, Column, Table, markdown
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.datasets.penn_action import import_penn_action
from la2ds_cli.evaluation.clips import select_clips
from la2ds_cli.evaluation.event_transfer import Draw, draw_trims
from la2ds_cli.evaluation.events import EvaluationClip, choose_events
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses

RATE = 30.0  # nominal
ACTIONS = ("golf_swing", "squat", "pullup", "jumping_jacks")  # with phases of phases_kinematic.csv
Info = Mapping[str, str]  # a row of clips.csv
PairKind = Callable[[str, str], str]
"""Ids of clips A and B -> the kind of their pair; each kind is evaluated separately. Empty for
clips that are not a pair."""
UNLABELLED = "background"
GOLF_MIXED = "real speed with slow motion"


def page_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text under headings as Markdown, the first column aligned left."""
    columns = [Column(heading, left=not n) for n, heading in enumerate(headings)]
    return "\n".join(markdown(Table(columns, [[*map(Cell, row)] for row in rows])))


def penn_project(penn: Path, action: str, root: Path, phases: Path | None = None) -> StoredProject:
    """The clips of an action of Penn Action, by its own split, imported if they are not there yet.
    penn: a folder with labels/*.mat."""
    project = StoredProject.create(root)
    if not project.videos():
        results = import_penn_action(project, penn, action=action)
        refused = [item for item in results if not item.usable]
        if refused:
            print(f"{action}: {len(refused)} clips were not imported, as {refused[0].message}")
        if phases is not None:
            shutil.copy(phases, project.phases_path)
    return project


# --- the data sets -------------------------------------------------------------------------------


def golf_pair(a: Info, b: Info) -> str:
    """Many videos hold one swing twice, at real speed and in slow motion: these are no pairs."""
    if a["youtube_id"] == b["youtube_id"]:
        return ""
    if a["slow"] != b["slow"]:
        return GOLF_MIXED
    return "slow motion" if a["slow"] == "1" else "real speed"


def jump_pair(a: Info, b: Info) -> str:
    return "all"


def repetition_pair(a: Info, b: Info) -> str:
    """One source video shows one person; clips cut in another pose than usual are left out."""
    usual = a["usual_border"] == b["usual_border"] == "1"
    return "all" if usual and a["source_video"] != b["source_video"] else ""


def walk_pair(a: Info, b: Info) -> str:
    """Walks of children and of adults have other events; both are filmed from the side."""
    return "all" if a["set"] == b["set"] and a["person"] != b["person"] else ""


@dataclass(frozen=True)
class DataSet:
    """folder: with clips.csv and phases.csv. clips: the folder of its joints below it. person:
    column of clips.csv. pair: kind of pair of two rows of clips.csv. kinds: those that `pair`
    gives, in the order of the page. heading: of sets that share a row of the page."""

    name: str
    folder: str
    clips: str
    skeleton: str
    size: tuple[int, int]
    person: str
    pair: Callable[[Info, Info], str]
    kinds: tuple[str, ...] = ("all",)
    heading: str = ""

    def title(self, kind: str) -> str:
        name = "ski jump" if self.name == "skijump" else self.name.replace("_", "-")
        name = self.heading or name
        return name if kind == "all" else f"{name}, {kind}"


def _repetitions(movement: str) -> DataSet:
    joints = "mediapipe33", (160, 160), "source_video"
    return DataSet(movement, "repetitions", f"clips/{movement}", *joints, repetition_pair)


SETS = {
    one.name: one
    for one in (
        DataSet(
            *("golf", "golf", "clips", "mediapipe33", (160, 160), "player", golf_pair),
            kinds=("real speed", "slow motion", GOLF_MIXED),
        ),
        DataSet("skijump", "skijump", "clips", "penn13", (1280, 720), "athlete", jump_pair),
        *map(_repetitions, ("squat", "push_up", "pull_up")),
        DataSet("walk", "../gait", "side", "penn13", (1280, 720), "person", walk_pair),
    )
}


@dataclass(frozen=True)
class Fold:
    """A project whose clips of split `test` show one half of the people. info: id of a clip -> its
    row of clips.csv."""

    data: DataSet
    project: StoredProject
    info: Mapping[str, Info]

    def kind(self, a: str, b: str) -> str:
        """Kind of the pair of two clips by their ids."""
        return self.data.pair(self.info[a], self.info[b])

    def person(self, clip: str) -> str:
        return self.info[clip][self.data.person]


def make_folds(data: DataSet, source: Path, work: Path, seed: int = 0) -> list[Fold]:
    """Two projects, one for each half of the people, imported where they are not there yet."""
    folder = source / data.folder
    rows = list(csv.DictReader((folder / "clips.csv").read_text("utf-8").splitlines()))
    by_name = {row["video"]: row for row in rows}
    folds: list[Fold] = []
    for number in (0, 1):
        project = StoredProject.create(work / f"{data.name}-{number}")
        if not project.videos():
            options = ImportOptions(fps=RATE, size=data.size, skeleton=data.skeleton)
            results = import_poses(project, "wide-csv", folder / data.clips, options)
            refused = [item for item in results if not item.usable]
            if refused:
                raise SystemExit(f"{data.name}: {refused[0].path} {refused[0].message}")
        info = {video.id: by_name[Path(video.path).stem] for video in project.videos()}
        fold = Fold(data, project, info)
        test = halves({fold.person(clip) for clip in info}, seed)[number]
        project.add_videos(
            replace(
                video,
                group=fold.person(video.id),
                split="test" if fold.person(video.id) in test else "train",
            )
            for video in project.videos()
        )
        artifact.write_text(project.phases_path, phases_of(folder, info))
        folds.append(fold)
    return folds


def halves(people: Collection[str], seed: int) -> tuple[list[str], list[str]]:
    """All people in two disjoint random halves by `seed`; the first is larger if the number is
    odd."""
    names = sorted(set(people))
    order = np.random.default_rng(seed).permutation(len(names))
    middle = (len(names) + 1) // 2
    first, second = (sorted(names[n] for n in part) for part in (order[:middle], order[middle:]))
    return first, second


def phases_of(folder: Path, info: Mapping[str, Info]) -> str:
    """phases.csv of a project: the rows of its clips under their ids.

    A clip whose first label begins later than the clip gets a row for the frames before, since the
    start of a clip's first phase is no event: of two ski jumps the landing alone is labelled.
    """
    ids = {row["video"]: clip for clip, row in info.items()}
    rows: list[list[object]] = []
    for row in csv.DictReader((folder / "phases.csv").read_text("utf-8").splitlines()):
        clip = ids.get(row["video"])
        if clip is None:
            continue
        if not any(known[0] == clip for known in rows) and row["start"] != "0":
            rows.append([clip, 0, row["start"], UNLABELLED])
        rows.append([clip, row["start"], row["end"], row["phase"]])
    return table_text(["video", "start", "end", "phase"], rows)


# --- pairs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """The labelled clips of a project under test, the poses of its training clips, and draws of
    trims and pairs: at most `evaluate.pairs` of each kind."""

    clips: list[EvaluationClip]
    training: list[PoseSequence]
    draws: list[Draw]


def drawn_pairs(project: StoredProject, config: Config, kind: PairKind) -> Pairs:
    selection = select_clips(project, config, [])
    clips, source, _ = choose_events(selection.test, selection.phases)
    if source != "phases":
        raise ValueError(f"{project.root} has no labelled events")
    kinds = {kind(a.id, b.id) for a in clips for b in clips if a.id != b.id} - {""}
    by_kind = [
        draw_trims(clips, config.evaluate, lambda a, b, name=name: kind(a, b) == name)
        for name in sorted(kinds)
    ]
    # All kinds in one draw, so that each trimmed clip is embedded once.
    draws = [
        replace(parts[0], pair=np.concatenate([part.pair for part in parts]))
        for parts in zip(*by_kind, strict=True)
    ]
    return Pairs(clips, list(selection.fit.values()), draws)


def whole_pairs(
    project: StoredProject, config: Config, kind: PairKind
) -> list[tuple[EvaluationClip, EvaluationClip]]:
    """The untrimmed clips of the pairs of the first draw, sorted by A."""
    pairs = drawn_pairs(project, config, kind)
    return [(pairs.clips[a], pairs.clips[b]) for a, b in sorted(pairs.draws[0].pair.tolist())]
