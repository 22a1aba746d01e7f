"""The index of `retrieve`: features of all frames of all clips in one file.

The file is written atomically. Its recipe names the weights and, for every clip, the key of the
poses or the embedding behind its rows, so the file itself shows which clips are current. The first
half reads and writes the index, the second half brings it up to date.
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
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.retrieval.search import Frames

VERSION = 1  # raised also when pose_feature gives other values
_CLIP = "clip "  # before the ids in the inputs of the recipe


@dataclass(frozen=True)
class ClipRows:
    """The rows of one clip in the index.

    key: of the poses or the embedding behind them. value: (T, D) float32. frame: (T,) int64. time:
    (T,) float64 seconds. rate: median frames per second, None for a single frame.
    """

    key: str
    value: FloatArray
    frame: IntArray
    time: FloatArray
    rate: float | None


@dataclass(frozen=True)
class FrameIndex:
    """Rows of all clips.

    clips: ids in order of the rows. start: (C + 1,) int64, the first row of each, and F. value:
    (F, D) float32. frame: (F,) int64, in the source. time: (F,) float64 seconds. rate: one per
    clip, as in ClipRows.
    """

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
        """Key of the poses or the embedding behind the rows of a clip; None for an unknown clip."""
        return self.recipe.inputs.get(_CLIP + clip)

    def rows(self, clip: str) -> ClipRows:
        """Views of the rows of a clip of `clips`."""
        number = self.clips.index(clip)
        part = slice(self.start[number], self.start[number + 1])
        return ClipRows(
            self.recipe.inputs[_CLIP + clip],
            self.value[part],
            self.frame[part],
            self.time[part],
            self.rate[number],
        )


def assemble_index(
    config: Mapping[str, Any], model: str, rows: Mapping[str, ClipRows]
) -> FrameIndex:
    """The index of these clips, in their order.

    The same clips give the same index, no matter how many rows come from an older one. config: the
    kind of features and their settings. model: digest of the weights, empty for
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


def write_index(path: Path, index: FrameIndex) -> None:
    """Write the index atomically. Raises UserError (exit 7) if the folder is not writable."""
    arrays = {name: getattr(index, name) for name in ("start", "value", "frame", "time")}
    facts = {"clips": list(index.clips), "rate": list(index.rate)}
    artifact.write_arrays(path, arrays, index.recipe, facts)


def read_index(path: Path) -> FrameIndex | None:
    """The index at a path; None if it is missing or damaged, so that it is rebuilt."""
    try:
        arrays, recipe, facts = artifact.read_arrays(path)
        index = FrameIndex(
            tuple(facts["clips"]),
            arrays["start"],
            arrays["value"],
            arrays["frame"],
            arrays["time"],
            tuple(facts["rate"]),
            recipe,
        )
    except (artifact.ArtifactError, FileNotFoundError, KeyError, TypeError):
        return None
    return index if recipe.step == "index" and _fits_together(index) else None


def _fits_together(index: FrameIndex) -> bool:
    start = index.start
    named = {name for name in index.recipe.inputs if name.startswith(_CLIP)}
    return all(isinstance(name, str) for name in index.clips) and bool(
        len(start) == len(index.clips) + 1 == len(index.rate) + 1
        and start[0] == 0
        and (np.diff(start) > 0).all()
        and start[-1] == len(index.value) == len(index.frame) == len(index.time)
        and named == {_CLIP + name for name in index.clips}
    )


# --- bringing the index up to date; only new and changed clips are read --------------------------

Outcome = ClipRows | str  # a string is the reason why the clip has no rows


@dataclass(frozen=True)
class IndexUpdate:
    """An index that is up to date. name: of its file. reused: number of clips whose rows come from
    the old file; added: of new or changed clips; dropped: of clips that have been removed.
    left_out: clips that cannot be in the index, with the reason."""

    index: FrameIndex
    name: str
    reused: int
    added: int
    dropped: int
    left_out: Mapping[str, str]


def update_model_index(
    project: Project,
    run: str,
    device: DeviceName = "auto",
    progress: Progress | None = None,
    *,
    skeleton: str = "",
) -> IndexUpdate:
    """The index of a run's embeddings, which are computed first if they are missing.

    skeleton: of the query, for the base model alone, which embeds clips of several.

    Rows of other weights are never reused: the digest of the checkpoint is part of the recipe.
    Raises UserError (exit 5) if an embedding is not of the run's weights, and as embed does.
    """
    from la2ds_cli.embedding.embed import embed, embedding_recipe
    from la2ds_cli.embedding.trained import checkpoint_path, run_frames

    path = checkpoint_path(project, run)
    model = artifact.file_digest(path)
    if run != BASE_RUN:
        skeleton = _skeleton_of(project, run, device)
    clips = _clips(project, skeleton, "the model")
    frames = run_frames(project, run)
    keys = {v: embedding_recipe(model, key, v, frames).key for v, key in clips.pose.items()}

    def compute(missing: list[str]) -> dict[str, Outcome]:
        results = embed(project, run=run, videos=missing, device=device, progress=progress)
        outcomes: dict[str, Outcome] = {}
        for result in results:
            if not result.usable:
                outcomes[result.video] = result.message
                continue
            value, recipe = project.read_embedding(run, result.video)
            if value.model != model or recipe.key != keys[result.video]:
                raise UserError(
                    f"the embedding of {result.video} is not of the weights of run {run}",
                    hint=f"la2ds embed --run {run} --overwrite",
                    exit_code=ExitCode.MISMATCH,
                )
            rows = ClipRows(recipe.key, value.value, value.frame, value.time, _rate(value.time))
            outcomes[result.video] = rows
        return outcomes

    config = {"features": "model", "skeleton": skeleton}
    wanted = _WantedRows(config, model, keys, clips.left_out, compute)
    return _update(project, f"model-{run}", wanted, progress)


def _skeleton_of(project: Project, run: str, device: DeviceName) -> str:
    """The skeleton that a run's model reads. Raises UserError as load_embedder does."""
    from la2ds_cli.embedding.trained import checkpoint_path, load_embedder

    try:
        return str(artifact.read_header(checkpoint_path(project, run))[1]["skeleton"])
    except (artifact.ArtifactError, KeyError):
        return load_embedder(project, run, device).skeleton


def update_pose_index(
    project: Project, skeleton: str, progress: Progress | None = None
) -> IndexUpdate:
    """The index of the movement of the joints, of all clips of a skeleton.

    Velocities are those at the lowest frame rate of all clips; if it changes, every clip is
    computed again.
    """
    clips = _clips(project, skeleton, "the query")
    name = f"pose-{skeleton}"
    old = read_index(project.index_path(name))
    rates = {} if old is None else dict(zip(old.clips, old.rate, strict=True))
    unchanged = {v for v, key in clips.pose.items() if old is not None and old.key(v) == key}
    poses = {v: project.read_pose(v)[0] for v in clips.pose if v not in unchanged}
    rates = {v: rate for v, rate in rates.items() if v in unchanged}
    rates |= {v: _rate(pose.time) for v, pose in poses.items()}
    fps = min((rate for rate in rates.values() if rate is not None), default=1.0)

    def compute(missing: list[str]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for video in missing:
            pose = poses[video] if video in poses else project.read_pose(video)[0]
            try:
                value = pose_feature(pose, fps, video).astype(np.float32)
            except UserError as error:
                outcomes[video] = error.message
                continue
            outcomes[video] = ClipRows(
                clips.pose[video], value, pose.frame, pose.time, _rate(pose.time)
            )
        return outcomes

    config = {"features": "pose", "skeleton": skeleton, "fps": fps}
    wanted = _WantedRows(config, "", clips.pose, clips.left_out, compute)
    return _update(project, name, wanted, progress)


# --- shared by both -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clips:
    """Clips with poses. pose: key of the poses of every clip that the index can hold, in order of
    videos.csv. left_out: the others, with the reason."""

    pose: Mapping[str, str]
    left_out: Mapping[str, str]


def _clips(project: Project, skeleton: str, owner: str) -> _Clips:
    pose, left_out = {}, {}
    for video in project.videos():
        try:
            recipe, facts = project.pose_header(video.id)
        except FileNotFoundError:
            continue
        except artifact.ArtifactError as error:
            left_out[video.id] = str(error)
            continue
        if facts["skeleton"] == skeleton:
            pose[video.id] = recipe.key
        else:
            left_out[video.id] = f"has the skeleton {facts['skeleton']}, {owner} {skeleton}"
    return _Clips(pose, left_out)


def _rate(time: FloatArray) -> float | None:
    return 1 / float(np.median(np.diff(time))) if len(time) > 1 else None


@dataclass(frozen=True)
class _WantedRows:
    """The rows that an index should have.

    config, model: as in assemble_index. keys: key of the poses or the embedding behind the rows of
    each clip. left_out: clips that cannot be in the index, with the reason. compute: the rows of
    clips that the old index lacks.
    """

    config: Mapping[str, Any]
    model: str
    keys: Mapping[str, str]
    left_out: Mapping[str, str]
    compute: Callable[[list[str]], dict[str, Outcome]]

    def is_kind_of(self, old: FrameIndex) -> bool:
        """Whether the old index has features of the same kind and weights."""
        recipe = old.recipe
        same_model = recipe.version == VERSION and recipe.inputs.get("model") == self.model
        return same_model and dict(recipe.config) == dict(self.config)


def _update(
    project: Project, name: str, wanted: _WantedRows, progress: Progress | None
) -> IndexUpdate:
    """Reuse the current rows of the old index, compute the others, and write the index if it has
    changed."""
    path = project.index_path(name)
    old = read_index(path)
    if old is not None and not wanted.is_kind_of(old):
        old = None
    keys = wanted.keys
    current = {} if old is None else {v: old.rows(v) for v in old.clips if v in keys}
    current = {v: rows for v, rows in current.items() if rows.key == keys[v]}
    missing = [video for video in keys if video not in current]
    computed = wanted.compute(missing) if missing else {}
    outcomes = current | computed
    rows = {v: clip for v in keys if isinstance(clip := outcomes[v], ClipRows)}
    index = assemble_index(wanted.config, wanted.model, rows)
    if old is None or index.recipe.key != old.recipe.key or index.clips != old.clips:
        try:
            write_index(path, index)
        except UserError as error:  # the query can be answered all the same
            (progress or Progress()).note(f"the index was not saved: {error.message}")
    dropped = [] if old is None else [video for video in old.clips if video not in keys]
    failed = {v: reason for v, reason in computed.items() if isinstance(reason, str)}
    return IndexUpdate(
        index,
        name,
        reused=len(current),
        added=len(rows) - len(current),
        dropped=len(dropped),
        left_out={**wanted.left_out, **failed},
    )
