"""The index of `retrieve`: features of all frames of all clips in a folder of mapped files.

Each part holds consecutive clips, about PART_BYTES of features. Its recipe names the weights and,
for every clip, the key of the poses or the embedding behind its rows, so the part itself shows
which clips are current. It is named after the key of its recipe; recipe.json lists the parts in
order and is written last. The first half of this file reads and writes the index, the second half
updates it, one part at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.retrieval.search import Frames

VERSION = 1  # also increased when paced_movement returns other values
PART_BYTES = 64 << 20  # of features; a part that has reached this size takes no further clip
_CLIP = "clip "  # prefix of the ids in the inputs of a part's recipe
_PART = "part "  # prefix of the numbers in the inputs of the index's recipe


@dataclass(frozen=True)
class ClipRows:
    """The rows of one clip in the index.

    key: of the poses or the embedding behind them. value: (T, D) float32. frame: (T,) int64. time:
    (T,) float64 seconds.
    """

    key: str
    value: FloatArray
    frame: IntArray
    time: FloatArray


@dataclass(frozen=True)
class Part:
    """Rows of consecutive clips.

    clips: ids in the order of the rows. start: (C + 1,) int64, the first row of each clip, then R.
    value: (R, D) float32. frame: (R,) int64, in the source. time: (R,) float64 seconds.
    """

    clips: tuple[str, ...]
    start: IntArray
    value: FloatArray
    frame: IntArray
    time: FloatArray
    recipe: artifact.Recipe

    def rows(self, number: int) -> ClipRows:
        """Views of the rows of a clip."""
        rows = slice(self.start[number], self.start[number + 1])
        key = self.recipe.inputs[_CLIP + self.clips[number]]
        value, frame, time = (array[rows] for array in (self.value, self.frame, self.time))
        return ClipRows(key, value, frame, time)


@dataclass(frozen=True)
class FrameIndex:
    """Rows of all clips. recipe: its config is the kind of features and their settings; its inputs
    are `model` (the digest of the weights, empty for raw poses) and the keys of the parts."""

    parts: tuple[Part, ...]
    recipe: artifact.Recipe

    @cached_property
    def clips(self) -> tuple[str, ...]:
        """Ids in the order of the rows."""
        return tuple(clip for part in self.parts for clip in part.clips)

    @cached_property
    def frames(self) -> Frames:
        lengths = [np.diff(part.start) for part in self.parts]
        start = np.concatenate([[0], *lengths]).cumsum().astype(np.int64)
        values, times = (p.value for p in self.parts), (p.time for p in self.parts)
        return Frames(tuple(values), tuple(times), start)

    @cached_property
    def number(self) -> Mapping[str, int]:
        """Position of each clip in `clips`."""
        return {clip: number for number, clip in enumerate(self.clips)}

    @cached_property
    def _where(self) -> Mapping[str, tuple[Part, int]]:
        return {clip: (part, n) for part in self.parts for n, clip in enumerate(part.clips)}

    def key(self, clip: str) -> str | None:
        """Key of the poses or the embedding behind the rows of a clip; None for an unknown clip."""
        if clip not in self._where:
            return None
        return self._where[clip][0].recipe.inputs[_CLIP + clip]

    def rows(self, clip: str) -> ClipRows:
        """Views of the rows of a clip of `clips`."""
        part, number = self._where[clip]
        return part.rows(number)


def write_index(
    folder: Path,
    config: Mapping[str, Any],
    model: str,
    rows: Iterable[tuple[str, ClipRows]],
    failed: Callable[[UserError], None] | None = None,
) -> FrameIndex:
    """Write the index of these clips, in their order, one part at a time; existing parts are kept.

    The same clips give the same files, no matter which of them existed before. The old index stays
    readable until the new one is complete. config, model: as in FrameIndex. failed: called if the
    folder cannot be written, and the index is then kept in memory; without `failed`, UserError
    (exit 7) is raised.
    """
    written = True
    parts = []
    for clips in _in_parts(rows):
        recipe = _part_recipe(config, model, {name: clip.key for name, clip in clips.items()})
        path = folder / part_name(recipe.key)
        part = _read_part(path, recipe.key)
        if part is None and written:
            try:
                _write_part(path, recipe, clips)
                part = _read_part(path, recipe.key)
            except UserError as error:
                if failed is None:
                    raise
                failed(error)
                written = False
        parts.append(part or _assembled(recipe, clips))
        del clips  # free the memory before the rows of the next part are computed
    keys = {f"{_PART}{number}": part.recipe.key for number, part in enumerate(parts)}
    recipe = artifact.Recipe("index", VERSION, config, {"model": model} | keys)
    if written:
        try:
            _show(folder, recipe)
        except UserError as error:
            if failed is None:
                raise
            failed(error)
    return FrameIndex(tuple(parts), recipe)


def _in_parts(rows: Iterable[tuple[str, ClipRows]]) -> Iterator[dict[str, ClipRows]]:
    """Group consecutive clips, so that each part but the last has PART_BYTES or a little more."""
    clips: dict[str, ClipRows] = {}
    size = 0
    for name, clip in rows:
        clips[name] = clip
        size += clip.value.nbytes
        if size >= PART_BYTES:
            yield clips
            clips, size = {}, 0
    if clips:
        yield clips


def _part_recipe(config: Mapping[str, Any], model: str, keys: Mapping[str, str]) -> artifact.Recipe:
    inputs = {"model": model} | {_CLIP + name: key for name, key in keys.items()}
    return artifact.Recipe("index", VERSION, config, inputs)


def part_name(key: str) -> str:
    """File of a part in the folder of its index."""
    return f"part-{key[:16]}.safetensors"


def _write_part(path: Path, recipe: artifact.Recipe, clips: Mapping[str, ClipRows]) -> None:
    start = _start(clips)
    rows, width = int(start[-1]), next(iter(clips.values())).value.shape[1]
    arrays = {
        "start": ("<i8", start.shape),
        "value": ("<f4", (rows, width)),
        "frame": ("<i8", (rows,)),
        "time": ("<f8", (rows,)),
    }
    facts = {"clips": list(clips)}
    with artifact.open_arrays(path, arrays, recipe, facts) as file:
        file.write("start", 0, start)
        for first, clip in zip(start.tolist(), clips.values(), strict=False):
            file.write("value", first * width, clip.value)
            file.write("frame", first, clip.frame)
            file.write("time", first, clip.time)
            artifact.release(clip.value)


def _start(clips: Mapping[str, ClipRows]) -> IntArray:
    return np.cumsum([0, *(len(clip.value) for clip in clips.values())], dtype=np.int64)


def _assembled(recipe: artifact.Recipe, clips: Mapping[str, ClipRows]) -> Part:
    """A part in memory."""
    value = np.concatenate([clip.value for clip in clips.values()], dtype=np.float32)
    frame = np.concatenate([clip.frame for clip in clips.values()], dtype=np.int64)
    time = np.concatenate([clip.time for clip in clips.values()], dtype=np.float64)
    return Part(tuple(clips), _start(clips), value, frame, time, recipe)


def _show(folder: Path, recipe: artifact.Recipe) -> None:
    """Make this the current index of the folder, and remove files that are not part of it."""
    path = folder / _RECIPE
    with suppress(artifact.ArtifactError, FileNotFoundError):
        if artifact.read_recipe(path) == recipe:
            return
    artifact.write_json(path, recipe.to_json())
    named = {part_name(key) for name, key in recipe.inputs.items() if name.startswith(_PART)}
    old = [file for file in folder.glob("part-*.safetensors") if file.name not in named]
    for file in old:
        with suppress(OSError):  # a remaining file is removed with the next change
            file.unlink(missing_ok=True)


_RECIPE = "recipe.json"


def read_index(folder: Path) -> FrameIndex | None:
    """The index in a folder, memory-mapped; None if it is missing or damaged, so that it is
    rebuilt."""
    try:
        recipe = artifact.read_recipe(folder / _RECIPE)
    except (artifact.ArtifactError, FileNotFoundError):
        return None
    keys = [key for name, key in recipe.inputs.items() if name.startswith(_PART)]
    if recipe.step != "index" or not all(isinstance(key, str) for key in keys):
        return None
    parts = []
    for key in keys:
        part = _read_part(folder / part_name(key), key)
        if part is None:
            return None
        parts.append(part)
    index = FrameIndex(tuple(parts), recipe)
    return index if len(set(index.clips)) == len(index.clips) else None


def _read_part(path: Path, key: str) -> Part | None:
    """The part in a file; None if it is missing, damaged or has another key."""
    try:
        arrays, recipe, facts = artifact.map_arrays(path)
        if key != recipe.key:
            return None
        part = Part(
            tuple(facts["clips"]),
            arrays["start"],
            arrays["value"],
            arrays["frame"],
            arrays["time"],
            recipe,
        )
    except (artifact.ArtifactError, FileNotFoundError, KeyError, TypeError):
        return None
    return part if _fits_together(part) else None


def _fits_together(part: Part) -> bool:
    start, value = part.start, part.value
    named = {name for name in part.recipe.inputs if name.startswith(_CLIP)}
    return bool(
        all(isinstance(name, str) for name in part.clips)
        and part.recipe.step == "index"
        and value.ndim == 2
        and value.dtype == np.float32
        and len(start) == len(part.clips) + 1
        and start[0] == 0
        and (np.diff(start) > 0).all()
        and start[-1] == len(value) == len(part.frame) == len(part.time)
        and named == {_CLIP + name for name in part.clips}
    )


# --- updating the index; only new and changed clips are read -------------------------------------

Outcome = ClipRows | str  # a string is the reason why the clip has no rows


@dataclass(frozen=True)
class IndexUpdate:
    """An up-to-date index. name: of its folder. reused: number of clips whose rows come from the
    old index; added: of new or changed clips; dropped: of clips that have been removed. left_out:
    clips that cannot be in the index, with the reason."""

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

    skeleton: of the query; used only for the base model, which embeds clips of several skeletons.

    Rows of other weights are never reused: the digest of the checkpoint is part of the recipe.
    Raises UserError (exit 5) if an embedding does not come from the run's weights, and as embed
    does.
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

    def prepare(missing: list[str]) -> dict[str, str]:
        results = embed(
            project, run=run, videos=missing, device=device, progress=progress, engine="light"
        )
        return {result.video: result.message for result in results if not result.usable}

    def compute(video: str) -> Outcome:
        value, recipe = project.read_embedding(run, video)
        if value.model != model or recipe.key != keys[video]:
            raise UserError(
                f"the embedding of {video} does not come from the weights of run {run}",
                hint=f"la2ds embed --run {run} --overwrite",
                exit_code=ExitCode.MISMATCH,
            )
        return ClipRows(recipe.key, value.value, value.frame, value.time)

    config = {"features": "model", "skeleton": skeleton}
    wanted = _WantedRows(config, model, keys, clips.left_out, compute, prepare)
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
    """The index of the movement of the joints (`paced_movement`), for all clips of a skeleton."""
    clips = _clips(project, skeleton, "the query")

    def compute(video: str) -> Outcome:
        pose = project.read_pose(video)[0]
        if np.isnan(pose.xy).all():
            return f"no joint was seen in {video}"
        value = paced_movement(pose).astype(np.float32)
        return ClipRows(clips.pose[video], value, pose.frame, pose.time)

    config = {"features": "pose", "skeleton": skeleton}
    wanted = _WantedRows(config, "", clips.pose, clips.left_out, compute)
    return _update(project, f"pose-{skeleton}", wanted, progress)


@dataclass(frozen=True)
class _Clips:
    """Clips with poses. pose: key of the poses of every clip that can be in the index, in the order
    of videos.csv. left_out: the others, with the reason."""

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


@dataclass(frozen=True)
class _WantedRows:
    """The rows that an index should have.

    config, model: as in FrameIndex. keys: key of the poses or the embedding behind the rows of each
    clip. left_out: clips that cannot be in the index, with the reason. compute: returns the rows of
    a clip that the old index lacks. prepare: called first with all such clips; returns those that
    cannot be computed, with the reason.
    """

    config: Mapping[str, Any]
    model: str
    keys: Mapping[str, str]
    left_out: Mapping[str, str]
    compute: Callable[[str], Outcome]
    prepare: Callable[[list[str]], Mapping[str, str]] = lambda _: {}

    def is_kind_of(self, old: FrameIndex) -> bool:
        """Whether the old index has features of the same kind, from the same weights."""
        recipe = old.recipe
        same_model = recipe.version == VERSION and recipe.inputs.get("model") == self.model
        return same_model and dict(recipe.config) == dict(self.config)


def _update(
    project: Project, name: str, wanted: _WantedRows, progress: Progress | None
) -> IndexUpdate:
    """Reuse the current rows of the old index, compute the others, and write the index if it has
    changed."""
    progress = progress or Progress()
    folder = project.index_path(name)
    old = read_index(folder)
    if old is not None and not wanted.is_kind_of(old):
        old = None
    current = {v for v, key in wanted.keys.items() if old is not None and old.key(v) == key}
    missing = [video for video in wanted.keys if video not in current]
    failed = dict(wanted.prepare(missing)) if missing else {}

    def rows() -> Iterator[tuple[str, ClipRows]]:
        for video in wanted.keys:
            if video in failed:
                continue
            if old is not None and video in current:
                yield video, old.rows(video)
                continue
            outcome = wanted.compute(video)
            progress.advance()
            if isinstance(outcome, ClipRows):
                yield video, outcome
            else:
                failed[video] = outcome

    def unsaved(error: UserError) -> None:  # the query still works
        progress.note(f"the index was not saved: {error.message}")

    same = old is not None and not missing and tuple(wanted.keys) == old.clips
    if old is not None and same and (folder / _RECIPE).exists():
        index = old
    else:
        progress.begin("reading clips into the index", len(missing) - len(failed))
        index = write_index(folder, wanted.config, wanted.model, rows(), unsaved)
        progress.end()
    dropped = [] if old is None else [video for video in old.clips if video not in wanted.keys]
    return IndexUpdate(
        index,
        name,
        reused=len(current),
        added=len(index.clips) - len(current),
        dropped=len(dropped),
        left_out={**wanted.left_out, **failed},
    )
