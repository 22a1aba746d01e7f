"""The index of `retrieve`: features of all frames of all clips in one file, and IVF lists of them.

A file is whole or not there. Its recipe names the weights and the key of what every clip's rows
were made from, so it says by itself which clips are current.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.clip_features import pose_feature
from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.retrieval.search import Frames

VERSION = 1  # raised also when pose_feature gives other values
_CLIP = "clip "  # before the ids in the inputs of the recipe


@dataclass(frozen=True)
class ClipRows:
    """What the index holds of one clip.

    key: of what it was made from. value: (T, D) float32. frame: (T,) int64. time: (T,) float64
    seconds. rate: its median frames per second, None for a single frame.
    """

    key: str
    value: FloatArray
    frame: IntArray
    time: FloatArray
    rate: float | None


@dataclass(frozen=True)
class FrameIndex:
    """clips: ids in order of the rows. start: (C + 1,) int64, the first row of each, and F.
    value: (F, D) float32. frame: (F,) int64, in the source. time: (F,) float64 seconds. rate: one
    per clip, as in ClipRows."""

    clips: tuple[str, ...]
    start: IntArray
    value: FloatArray
    frame: IntArray
    time: FloatArray
    rate: tuple[float | None, ...]
    recipe: artifact.Recipe

    @property
    def frames(self) -> Frames:
        return Frames(self.value, self.time, self.start)

    def key(self, clip: str) -> str | None:
        """Key of what the rows of a clip were made from; None for one that is not there."""
        return self.recipe.inputs.get(_CLIP + clip)

    def rows(self, clip: str) -> ClipRows:
        """The rows of a clip of `clips`, not copied."""
        number = self.clips.index(clip)
        part = slice(self.start[number], self.start[number + 1])
        return ClipRows(
            self.recipe.inputs[_CLIP + clip],
            self.value[part],
            self.frame[part],
            self.time[part],
            self.rate[number],
        )


def assemble(config: Mapping[str, Any], model: str, rows: Mapping[str, ClipRows]) -> FrameIndex:
    """The index of these clips, in their order. The same clips give the same index, however many
    of them came from an older one.

    config: the kind of features and what they depend on. model: digest of the weights, empty for
    raw poses.
    """
    inputs = {"model": model} | {_CLIP + name: clip.key for name, clip in rows.items()}
    parts = list(rows.values())
    return FrameIndex(
        tuple(rows),
        np.cumsum([0, *(len(part.value) for part in parts)], dtype=np.int64),
        _joined([part.value for part in parts], np.float32),
        _joined([part.frame for part in parts], np.int64),
        _joined([part.time for part in parts], np.float64),
        tuple(part.rate for part in parts),
        artifact.Recipe("index", VERSION, config, inputs),
    )


def _joined(parts: Sequence[FloatArray], dtype: type) -> FloatArray:
    return np.concatenate(parts, dtype=dtype) if parts else np.zeros((0,), dtype)


def write(path: Path, index: FrameIndex) -> None:
    """Write whole or not at all. UserError (exit 7) where the folder cannot be written."""
    arrays = {name: getattr(index, name) for name in ("start", "value", "frame", "time")}
    facts = {"clips": list(index.clips), "rate": list(index.rate)}
    artifact.write_arrays(path, arrays, index.recipe, facts)


def read(path: Path) -> FrameIndex | None:
    """The index at a path; None where there is none or it is not whole, so that it is made anew."""
    try:
        arrays, made_from, facts = artifact.read_arrays(path)
        index = FrameIndex(
            tuple(facts["clips"]),
            arrays["start"],
            arrays["value"],
            arrays["frame"],
            arrays["time"],
            tuple(facts["rate"]),
            made_from,
        )
    except (artifact.ArtifactError, FileNotFoundError, KeyError, TypeError):
        return None
    return index if made_from.step == "index" and _fits_together(index) else None


def _fits_together(index: FrameIndex) -> bool:
    start = index.start
    named = {name for name in index.recipe.inputs if name.startswith(_CLIP)}
    return bool(
        len(start) == len(index.clips) + 1 == len(index.rate) + 1
        and start[0] == 0
        and (np.diff(start) > 0).all()
        and start[-1] == len(index.value) == len(index.frame) == len(index.time)
        and named == {_CLIP + name for name in index.clips}
    )


# --- bringing the index up to date; only new and changed clips are read --------------------------

Outcome = ClipRows | str  # the reason why there are no rows


@dataclass(frozen=True)
class IndexUpdate:
    """index: up to date. name: of its file. kept: clips whose rows stood in the old file; added:
    clips that are new or were made anew; dropped: clips of the old file that are gone.
    left_out: clips that the index cannot hold, with the reason."""

    index: FrameIndex
    name: str
    kept: int
    added: int
    dropped: int
    left_out: Mapping[str, str]


def update_model_index(
    project: Project, run: str, device: DeviceName = "auto", progress: Progress | None = None
) -> IndexUpdate:
    """The index of a run's embeddings, made first where they are missing.

    Rows of other weights are never kept: the digest of the checkpoint is part of the recipe.
    UserError: exit 5 for an embedding of other weights than the run's, and what embed raises.
    """
    from la2ds_cli.embedding.embed import embed
    from la2ds_cli.embedding.embed import recipe as embedding_recipe
    from la2ds_cli.embedding.trained import checkpoint_path, run_frames

    path = checkpoint_path(project, run)
    model = artifact.file_digest(path)
    skeleton = _skeleton_of(project, run, device)
    clips = _clips(project, skeleton, "the model")
    frames = run_frames(project, run)
    wanted = {v: embedding_recipe(model, key, v, frames).key for v, key in clips.pose.items()}

    def make(missing: list[str]) -> dict[str, Outcome]:
        results = embed(project, run=run, videos=missing, device=device, progress=progress)
        made: dict[str, Outcome] = {}
        for result in results:
            if not result.usable:
                made[result.video] = result.message
                continue
            value, made_from = project.read_embedding(run, result.video)
            if value.model != model or made_from.key != wanted[result.video]:
                raise UserError(
                    f"the embedding of {result.video} is not of the weights of run {run}",
                    hint=f"la2ds embed --run {run} --overwrite",
                    exit_code=ExitCode.MISMATCH,
                )
            rows = ClipRows(made_from.key, value.value, value.frame, value.time, _rate(value.time))
            made[result.video] = rows
        return made

    config = {"features": "model", "skeleton": skeleton}
    return _update(project, f"model-{run}", config, model, clips, wanted, make, progress)


def _skeleton_of(project: Project, run: str, device: DeviceName) -> str:
    """The skeleton that a run's model reads; what load_embedder raises for a damaged file."""
    from la2ds_cli.embedding.trained import checkpoint_path, load_embedder

    try:
        return str(artifact.read_header(checkpoint_path(project, run))[1]["skeleton"])
    except (artifact.ArtifactError, KeyError):
        return load_embedder(project, run, device).skeleton


def update_pose_index(
    project: Project, skeleton: str, progress: Progress | None = None
) -> IndexUpdate:
    """The index of the movement of the joints, of all clips of a skeleton.

    Velocities are those at the lowest frame rate of all clips: where it changes, every clip is
    made anew.
    """
    clips = _clips(project, skeleton, "the query")
    name = f"pose-{skeleton}"
    old = read(project.index_path(name))
    rates = {} if old is None else dict(zip(old.clips, old.rate, strict=True))
    unchanged = {v for v, key in clips.pose.items() if old is not None and old.key(v) == key}
    poses = {v: project.read_pose(v)[0] for v in clips.pose if v not in unchanged}
    rates = {v: rate for v, rate in rates.items() if v in unchanged}
    rates |= {v: _rate(pose.time) for v, pose in poses.items()}
    fps = min((rate for rate in rates.values() if rate is not None), default=1.0)

    def make(missing: list[str]) -> dict[str, Outcome]:
        made: dict[str, Outcome] = {}
        for video in missing:
            pose = poses[video] if video in poses else project.read_pose(video)[0]
            try:
                value = pose_feature(pose, fps, video).astype(np.float32)
            except UserError as error:
                made[video] = error.message
                continue
            made[video] = ClipRows(
                clips.pose[video], value, pose.frame, pose.time, _rate(pose.time)
            )
        return made

    config = {"features": "pose", "skeleton": skeleton, "fps": fps}
    return _update(project, name, config, "", clips, clips.pose, make, progress)


# --- shared by both -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clips:
    """pose: key of the poses of every clip that can be held, in order of videos.csv. left_out:
    the others, with the reason."""

    pose: Mapping[str, str]
    left_out: Mapping[str, str]


def _clips(project: Project, skeleton: str, owner: str) -> _Clips:
    pose, left_out = {}, {}
    for video in project.videos():
        path = project.pose_path(video.id)
        try:
            made_from, facts = artifact.read_header(path)
        except FileNotFoundError:
            continue
        except artifact.ArtifactError as error:
            left_out[video.id] = str(error)
            continue
        if facts["skeleton"] == skeleton:
            pose[video.id] = made_from.key
        else:
            left_out[video.id] = f"has the skeleton {facts['skeleton']}, {owner} {skeleton}"
    return _Clips(pose, left_out)


def _rate(time: FloatArray) -> float | None:
    return 1 / float(np.median(np.diff(time))) if len(time) > 1 else None


def _update(
    project: Project,
    name: str,
    config: Mapping[str, Any],
    model: str,
    clips: _Clips,
    wanted: Mapping[str, str],
    make: Callable[[list[str]], dict[str, Outcome]],
    progress: Progress | None,
) -> IndexUpdate:
    """wanted: key of what the rows of each clip are to be made from. make: makes them."""
    path = project.index_path(name)
    old = read(path)
    if old is not None and not _same_kind(old, config, model):
        old = None
    current = {} if old is None else {v: old.rows(v) for v in old.clips if v in wanted}
    current = {v: rows for v, rows in current.items() if rows.key == wanted[v]}
    missing = [video for video in wanted if video not in current]
    made = make(missing) if missing else {}
    found = current | made
    rows = {v: clip for v in wanted if isinstance(clip := found[v], ClipRows)}
    index = assemble(config, model, rows)
    if old is None or index.recipe.key != old.recipe.key or index.clips != old.clips:
        _write(path, index, progress or Progress())
    dropped = [] if old is None else [video for video in old.clips if video not in wanted]
    left_out = {v: reason for v, reason in made.items() if isinstance(reason, str)}
    return IndexUpdate(
        index,
        name,
        len(current),
        len(rows) - len(current),
        len(dropped),
        {**clips.left_out, **left_out},
    )


def _same_kind(old: FrameIndex, config: Mapping[str, Any], model: str) -> bool:
    found = old.recipe
    known = found.version == VERSION and found.inputs.get("model") == model
    return known and dict(found.config) == dict(config)


def _write(path: Path, index: FrameIndex, progress: Progress) -> None:
    try:
        write(path, index)
    except UserError as error:  # the query can be answered all the same
        progress.note(f"the index was not saved: {error.message}")
