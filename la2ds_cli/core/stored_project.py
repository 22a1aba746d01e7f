"""A project: its settings, its list of videos, its labels, and the stored data of each clip.

project_folder.py has the paths.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.annotations import (
    JOINT,
    Annotation,
    ClipMoments,
    changed,
    corrected,
    corrected_recipe,
    is_of_reading,
    read_annotations,
    write_annotations,
)
from la2ds_cli.core.clip import ClipOptions, Video, family, listable
from la2ds_cli.core.clip_names import ShownNames, as_on_disk
from la2ds_cli.core.config import Config, load_config, override_texts
from la2ds_cli.core.errors import Mismatch, Unreadable, UserError, did_you_mean
from la2ds_cli.core.own_files import PROJECT_FILE as PROJECT_FILE
from la2ds_cli.core.people_table import PersonRow, Places, write_people
from la2ds_cli.core.phase_table import (
    ClipPhases,
    Frames,
    PhaseTable,
    kept_names,
    read_phase_table,
    write_phase_table,
)
from la2ds_cli.core.project_folder import ProjectFolder, real_path
from la2ds_cli.core.result_names import clip_name, is_result_of
from la2ds_cli.core.types import MOST_SECONDS, EmbeddingSequence, Phase, PoseSequence
from la2ds_cli.core.video_list import VideoList, placed, read_videos, write_videos

_EARLY = 1e-3  # seconds by which the first frame of a part may precede its start
DEFAULT_RUN = "default"
BASE_RUN = "la2ds-base"  # the base model in place of a run; no training has this name


class StoredProject(ProjectFolder):
    """A project directory, made by `create` and opened by `open`."""

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        super().__init__(root)
        artifact.never_make(root)
        self.settings = settings

    @classmethod
    def create(cls, root: Path, settings: dict[str, Any] | None = None) -> StoredProject:
        """Make the directory and project.toml, or open an existing project."""
        root = root.resolve()
        if not (root / PROJECT_FILE).exists():
            import tomli_w

            content = settings or {"preset": "default"}
            load_config(content)  # bad settings fail before they are written
            try:
                root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise artifact.cannot_write(root, error) from error
            artifact.write_text(root / PROJECT_FILE, tomli_w.dumps(content))
        return cls.open(root)

    @classmethod
    def open(cls, root: Path) -> StoredProject:
        """Open an existing project. Raises UserError (exit 2) without a readable project.toml."""
        root = root.resolve()
        path = root / PROJECT_FILE
        if not path.exists():
            raise UserError(
                f"{root} is not a la2ds project (no {PROJECT_FILE})",
                hint="name the project with --project DIR; "
                f"la2ds init {shlex.quote(str(root))} makes a new one",
            )
        try:
            settings = tomllib.loads(settings_text(root))
        except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
            raise UserError(f"{path} is not valid TOML: {error}") from error
        return cls(root, settings)

    def config(
        self,
        *,
        preset: str | None = None,
        overrides: Iterable[str] = (),
        values: Mapping[str, Any] | None = None,
    ) -> Config:
        """Return the project's settings, merged as described in core/config.py.

        Parameters
        ----------
        preset: used instead of the project's.
        overrides: settings in the form of `--set`, which change them.
        values: of settings by `section.key`, which change those.

        Raises
        ------
        UserError: exit 2 for unknown settings and wrong values.
        """
        changed = [*overrides, *override_texts(values or {})]
        return load_config(self.settings, preset=preset, overrides=changed)

    # --- videos.csv ----------------------------------------------------------------------

    def videos(self) -> list[Video]:
        """Return the rows of videos.csv in file order; none without the file. Raises UserError
        (exit 5) that names an unreadable line."""
        return list(self.video_list().videos)

    def clip_names(self) -> ShownNames:
        """Return, for each clip by id, what a person calls it and `find` takes: its name, or the id
        where several clips have that name. Raises UserError as `videos`."""
        videos = self.videos()
        count = Counter(video.name for video in videos)
        return ShownNames(
            {each.id: each.name if count[each.name] == 1 else each.id for each in videos}
        )

    def video_list(self) -> VideoList:
        """Return the rows of videos.csv for finding clips, read again if the file has changed.
        Raises UserError as `videos`."""
        return artifact.once(_video_list, self.videos_path)

    def add_videos(
        self,
        added: Iterable[Video],
        removed: Collection[str] = (),
        order: Sequence[str] | None = None,
    ) -> None:
        """Insert rows into videos.csv or replace those with the same id, and delete others.

        Old rows keep their order. A new row goes before the nearest clip that follows it in
        `order`, or else to the end, so that a clip that failed at first ends up in the same place.
        A split, a group and own columns of the user are kept if they are empty in the new row.

        Parameters
        ----------
        added
            The new rows.
        removed
            Ids of rows to delete; values that the user set in them are kept in `aside` and come
            back with the clip.
        order
            Ids of the whole list that was processed, None = those of `added`.

        Raises
        ------
        UserError
            Exit 5 for a row that could not be read back.
        """
        new = {video.id: video for video in added}
        if not new and not removed:  # a new project gets no empty table
            return
        with self.tables():
            rows = {video.id: video for video in self.videos()}
            aside = {video.id: video for video in read_videos(self.aside("videos.csv"))}
            places = placed(list(rows), new.keys() - rows.keys(), order or list(new))
            for name, video in new.items():
                rows[name] = listable(_with_what_was_set(video, rows.get(name, aside.get(name))))
            gone = [rows.pop(name) for name in removed if name in rows]
            kept = [row for row in gone if row.split or row.group or any(row.own.values())]
            if kept:
                aside |= {row.id: row for row in kept}
                write_videos(self.aside("videos.csv"), aside.values())
            self._list([rows[name] for name in places if name in rows])

    def replace_videos(self, gone: Collection[str], new: Sequence[str]) -> None:
        """Remove the clips `gone` from the list, and move the listed clips `new` to the position of
        the first of them. Each takes over what the user set for its person."""
        with self.tables():
            rows = {video.id: video for video in self.videos()}
            old = {rows[name].person: rows[name] for name in gone if name in rows}
            order: list[str] = []
            for name, row in rows.items():
                order += new if name in gone else [name] if name not in new else []
                if name in new:
                    rows[name] = _with_what_was_set(row, old.get(row.person))
            self._list([rows[name] for name in dict.fromkeys(order)])

    def _list(self, rows: Sequence[Video]) -> None:
        """Write videos.csv. Names in phases.csv that would then mean another film, several or none
        become the ids that they meant, so that phases stay with their film."""
        before, after = self.video_list(), VideoList(self.root, rows)
        changed = {(row.id, row.path, row.sha256) for row in before.videos} != {
            (row.id, row.path, row.sha256) for row in rows
        }
        if changed and self.phases_path.exists():
            table = kept_names(artifact.once(read_phase_table, self.phases_path), before, after)
            if table is not None:
                self.write_phase_table(table)
        write_videos(self.videos_path, rows)

    def mark_video(self, video: str, *, split: str, group: str) -> None:
        """Set the split and the group of a clip; empty clears them. Raises UserError (exit 5) for
        an id that is not listed, and for values that could not be read back."""
        with self.tables():
            rows = {row.id: row for row in self.videos()}
            if video not in rows:
                raise Mismatch(f"the project has no clip {video}")
            rows[video] = listable(replace(rows[video], split=split, group=group))
            write_videos(self.videos_path, rows.values())

    def find(self, name: str) -> Video | None:
        """Return the clip that a name in a table means, as VideoList.find; None if there is none.
        Names that the user types are resolved by poses.current.find_clip."""
        return self.video_list().find(name)

    def clip(self, name: str) -> Video:
        """Return the clip of a name, as `find`. Raises UserError (exit 3) if there is none."""
        video = self.find(name)
        if video is None:
            raise self.no_clip(name)
        return video

    def no_clip(self, name: str) -> UserError:
        """Return the error (exit 3) for a name that means no clip."""
        names = [text for each in self.videos() for text in (each.id, each.name)]
        return Unreadable(
            f"there is no clip '{name}' in the project",
            hint=f"{did_you_mean(name, names)}videos.csv lists the clips",
        )

    def source(self, video: Video) -> Path:
        """Return the absolute path of the source file of a clip."""
        return real_path(Path(as_on_disk(os.fspath(self.root / video.path))))

    def path_cell(self, path: Path) -> str:
        """Return a resolved path for videos.csv: relative to the project if it lies inside."""
        inside = path.is_relative_to(self.root)
        return (path.relative_to(self.root) if inside else path).as_posix()

    def posed(self) -> dict[str, str]:
        """Return the paths of all pose files by id, from one listing of the folder."""
        return artifact.files_in(self._folder("poses"))

    def posed_videos(self) -> list[Video]:
        """Return the rows of videos.csv that have a file of poses, in file order."""
        posed = self.posed()
        return [video for video in self.videos() if video.id in posed]

    # --- artifacts of one video ----------------------------------------------------------

    def files_of(self, video: str) -> list[Path]:
        """Return all files computed for a clip: poses, heatmaps, features, and its embedding by
        each run."""
        name = self.pose_path(video).name
        runs = self._folder("embeddings")
        folders = [self._folder(kind) for kind in ("poses", "heatmaps", "features")]
        folders += sorted(path for path in runs.glob("*") if path.is_dir())
        return [path for folder in folders if (path := folder / name).is_file()]

    def pictures_of(self, video: str) -> list[Path]:
        """Return the studio's files of a clip besides its film: thumbnails and manifest."""
        folder = self.results_dir("studio")
        return [*(folder / "thumbnails").glob(f"{escape(video)}.*.webp"), folder / f"{video}.csv"]

    def take_out(self, videos: Collection[str]) -> None:
        """Remove clips from the list, with their computed files and pictures.

        What the user set for them stays in the tables, and in `aside`; it counts again if the same
        videos come back. The list is written last and once, so that after a kill the same call
        finds all clips and finishes. Call it with the project locked.
        """
        with self.tables():
            self.keep_people(videos)
        for video in videos:
            for path in (*self.files_of(video), *self.pictures_of(video)):
                path.unlink(missing_ok=True)
            shutil.rmtree(self.film_dir(video), ignore_errors=True)
        self.add_videos([], videos)

    def person_places(self, video: str) -> tuple[str, Places]:
        """Return the choice of the subject by which a clip was read, and the places of its person
        by its poses. Raises UserError (exit 4) without poses."""
        path = self.pose_path(video)
        with artifact.readable(path, f"no poses for {video}"):
            arrays, recipe, facts = artifact.read_arrays(path, ("frame", "box"))
            info, turned = facts.get("info", {}), ClipOptions.from_text(_options(recipe))
            turn = int(info.get("rotate", turned.rotate)), bool(info.get("mirror", turned.mirror))
            width, height = facts["size"]
            places = Places.of(
                arrays["frame"], arrays["box"], (width, height), rotate=turn[0], mirror=turn[1]
            )
        return str(recipe.config.get("subject", "")), places

    def keep_people(self, videos: Iterable[str]) -> None:
        """Write the places of the people of clips into people.csv; clips without readable poses are
        left out. Call it with the tables locked."""
        rows = {}
        for video in videos:
            with suppress(UserError):
                subject, places = self.person_places(video)
                rows[video] = PersonRow(subject, places.to_text())
        write_people(self.people_path, rows)

    def exported(self, clip: Video) -> list[str]:
        """Return the files in `results` that show a clip, relative to the project, by their
        names."""
        name = clip_name(self.videos(), clip)
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in (self.root / "results").rglob("*")
            if path.is_file() and (clip.id in path.name or is_result_of(path, name))
        )

    def read_pose(
        self, video: str, *, with_corrections: bool = True
    ) -> tuple[PoseSequence, artifact.Recipe]:
        """Return the poses of a clip and their recipe. Raises UserError (exit 4) without poses.

        with_corrections: apply the user's corrections of joints (core/annotations.py).
        """
        path = self.pose_path(video)
        with artifact.readable(path, f"no poses for {video}"):
            arrays, recipe, facts = artifact.read_arrays(path)
            pose = PoseSequence.from_arrays(arrays, facts, video)
            if not len(pose):
                raise ValueError("no frames")
            if pose.time[-1] - pose.time[0] > MOST_SECONDS:  # resampling would fill the memory
                raise ValueError(f"its frames are more than {MOST_SECONDS:,.0f} s apart")
        if with_corrections and (rows := self._corrections(video, recipe, pose.info)):
            moments = ClipMoments.of(video, _options(recipe), pose)
            return corrected(pose, moments, rows), corrected_recipe(recipe, rows)
        return pose, recipe

    def pose_header(self, video: str) -> tuple[artifact.Recipe, dict[str, Any]]:
        """Return the recipe of a clip's poses with corrections, and their facts, without reading
        the joints. Raises UserError as read_pose."""
        path = self.pose_path(video)
        with artifact.readable(path, f"no poses for {video}"):
            recipe, facts = artifact.read_header(path)
        return self.with_corrections(video, recipe, facts), facts

    def with_corrections(
        self, video: str, recipe: artifact.Recipe, facts: Mapping[str, Any]
    ) -> artifact.Recipe:
        """Return the recipe of a clip's poses with corrections, from the one in their file."""
        return corrected_recipe(recipe, self._corrections(video, recipe, facts.get("info", {})))

    def _corrections(
        self, video: str, recipe: artifact.Recipe, info: Mapping[str, Any]
    ) -> list[Annotation]:
        """Return the corrections that apply to a clip's current poses."""
        rows = artifact.once(_corrected_joints, self.annotations_path).get(family(video))
        if not rows:
            return []
        part = ClipOptions.from_text(_options(recipe))
        return [
            row
            for row in rows
            if is_of_reading(row, recipe, info)
            and part.start - _EARLY <= (row.at.seconds or 0.0) < part.end
        ]

    def write_pose(
        self, video: str, pose: PoseSequence, recipe: artifact.Recipe, stamp: str = ""
    ) -> None:
        """Store the poses of a clip. stamp: of the video that they were made from
        (video.source_version), which shows a later change; empty = unknown."""
        arrays, facts = pose.to_arrays()
        facts |= {"source": stamp} if stamp else {}
        artifact.write_arrays(self.pose_path(video), arrays, recipe, facts)

    def read_embedding(self, run: str, video: str) -> tuple[EmbeddingSequence, artifact.Recipe]:
        """Return the embedding of a clip and its recipe. Raises UserError (exit 4) without it."""
        path = self.embedding_path(run, video)
        with artifact.readable(path, f"no embedding of {video} in run {run}"):
            arrays, recipe, facts = artifact.read_arrays(path)
            return EmbeddingSequence.from_arrays(arrays, facts), recipe

    def write_embedding(
        self, run: str, video: str, embedding: EmbeddingSequence, recipe: artifact.Recipe
    ) -> None:
        arrays, facts = embedding.to_arrays()
        artifact.write_arrays(self.embedding_path(run, video), arrays, recipe, facts)

    # --- annotations.csv -----------------------------------------------------------------

    def annotations(self) -> list[Annotation]:
        """Return the rows of annotations.csv; none without the file. Raises UserError (exit 5) that
        names an unreadable line."""
        return read_annotations(self.annotations_path)

    def change_annotations(self, gone: Collection[Annotation], new: Sequence[Annotation]) -> None:
        """Replace rows of annotations.csv; rows that exist are not added again, and rows set
        meanwhile stay. Raises UserError as `annotations`, and (exit 7) if it cannot be written."""
        with self.tables():
            write_annotations(self.annotations_path, changed(self.annotations(), gone, new))

    # --- phases.csv ----------------------------------------------------------------------

    def phases(
        self, *, propagated: bool = False, skip_unclear: bool = False
    ) -> dict[str, list[Phase]]:
        """Return the phases of each clip, in time order, as far as the clip shows them.

        Rows of videos that are not in the project are left out.

        Parameters
        ----------
        propagated
            Also return phases that `transfer-labels` wrote, not only those that count as truth
            (`Phase.is_truth`).
        skip_unclear
            As for `clip_phases`, whose errors it raises.
        """
        if not self.phases_path.exists():
            return {}
        phases = {
            video: [row.phase for row in rows if propagated or row.phase.is_truth]
            for video, rows in self.clip_phases(skip_unclear=skip_unclear).by_clip.items()
        }
        return {video: of_clip for video, of_clip in phases.items() if of_clip}

    def clip_phases(self, *, skip_unclear: bool = False) -> ClipPhases:
        """Return phases.csv by clip. Raises UserError (exit 5) that names an unreadable row, or a
        name that fits several films. skip_unclear: leave out such rows, to show labels only."""
        phases = ClipPhases(self.phase_table(), self.video_list(), self._frames_shown)
        for error in () if skip_unclear else phases.unclear.values():
            raise error
        return phases

    def _frames_shown(self, video: Video) -> Frames | None:
        """Return the first frame of its file that a clip shows, and the one after its last; None if
        the clip is a part without readable poses, which alone have its frames."""
        if not video.options or not ClipOptions.from_text(video.options).is_cut:
            return 0, math.inf
        with suppress(UserError):
            path = self.pose_path(video.id)
            with artifact.readable(path):
                arrays, _, _ = artifact.read_arrays(path, ("frame",))
                return int(arrays["frame"][0]), int(arrays["frame"][-1]) + 1
        return None

    def phase_table(self) -> PhaseTable:
        """Return phases.csv with all rows and columns; empty without the file. Raises UserError
        (exit 5) that names an unreadable row."""
        return read_phase_table(self.phases_path)

    def write_phase_table(self, table: PhaseTable, *, backup: bool = True) -> Path | None:
        """Write phases.csv, and return the path of a copy of the old file in results/phases; None
        if nothing changes, or without `backup`."""
        folder = self.results_dir("phases") if backup else None
        return write_phase_table(self.phases_path, table, folder)


def settings_text(root: Path) -> str:
    """Read project.toml, in UTF-8 with or without a byte-order mark. Raises UserError (exit 3) for
    a file that cannot be read."""
    try:
        return regular_file.text(root / PROJECT_FILE, "utf-8-sig")
    except OSError as error:
        raise artifact.cannot_read(root / PROJECT_FILE, error) from error


def _video_list(path: Path) -> VideoList:
    return VideoList(path.parent, read_videos(path))


def _corrected_joints(path: Path) -> dict[tuple[str, str], list[Annotation]]:
    """Return the corrections of a table by file and person."""
    rows: dict[tuple[str, str], list[Annotation]] = {}
    for row in read_annotations(path):
        if row.kind == JOINT:
            rows.setdefault((row.at.file, str(row.at.person)), []).append(row)
    return rows


def _options(recipe: artifact.Recipe) -> str:
    """Return how the file of poses was read, as in videos.csv; empty for invalid options."""
    text = str(recipe.config.get("options", ""))
    try:
        ClipOptions.from_text(text)
    except (UserError, ValueError):
        return ""
    return text


def _with_what_was_set(video: Video, old: Video | None) -> Video:
    """Return a row whose empty split, group and own columns are taken from an older one."""
    if old is None:
        return video
    own = video.own if any(video.own.values()) else old.own
    return replace(video, split=video.split or old.split, group=video.group or old.group, own=own)
