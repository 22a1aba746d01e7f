"""Step `cache-heatmaps`: store the compressed heatmaps of every clip, and export them as .npz.

They are for people who inspect maps, and for other programs. Training and embedding render their
own maps, which differ in rate and crop, and rendering is faster than reading
(docs/decisions/0001-render-heatmaps-in-the-loop.md). Each clip has one file of 8-bit maps in zstd
frames of 64 video frames each, so that other programs can read a part of a long clip.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, MissingArtifact, Recipe
from la2ds_cli.core.batch import ItemResult, Status, error_row, unexpected
from la2ds_cli.core.clip import MOST_FRAMES, Video
from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import ExitCode, Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.heatmaps import (
    cell_size,
    channel_count,
    clip_box,
    render_heatmaps,
    to_cells,
)
from la2ds_cli.formats.import_export import export_clips, posed

STEP = "heatmaps"
VERSION = 1
CHUNK = 64  # frames per zstd frame
_LEVELS = 255  # 8 bits: at most 0.002 from the rendered value


def heatmap_recipe(config: HeatmapConfig, pose_key: str) -> Recipe:
    """Return the recipe of a clip's cached heatmaps; pose_key is the key of its poses' recipe."""
    return Recipe(STEP, VERSION, asdict(config), {"poses": pose_key})


def cache_heatmaps(
    project: StoredProject,
    config: HeatmapConfig,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Render and store the heatmaps of all frames of every clip that has poses.

    The status of a clip is `cached` if its file comes from the same poses and settings, `skipped`
    without poses, `failed` if its poses are damaged. Messages give the size.

    Parameters
    ----------
    config: of the heatmaps.
    overwrite: render current heatmaps again.

    Raises
    ------
    UserError: exit 4 if the project has no clips, 7 if the disk is full or read-only.
    """
    videos = project.videos()
    if not videos:
        raise Unusable(
            f"{project.root} has no clips yet",
            hint="add some with la2ds extract-poses or la2ds import",
        )
    results = []
    for video in progress.over("heatmaps", videos):
        try:
            results.append(_stored(project, video, config, overwrite))
        except UserError as error:
            if error.exit_code == ExitCode.STORAGE:
                raise
            results.append(error_row(video.path, error, video.id, "H002"))
        except Exception as error:
            results.append(unexpected(project, video.path, error, video.id))
    return results


def _stored(
    project: StoredProject, video: Video, config: HeatmapConfig, overwrite: bool
) -> ItemResult:
    """Render and store the heatmaps of a clip, unless they are current."""
    path = project.heatmap_path(video.id)
    try:
        poses, _ = project.pose_header(video.id)
    except MissingArtifact:
        hint = "run la2ds extract-poses on the video"
        return ItemResult(video.path, video.id, "skipped", 0, "H001", "no poses", hint)
    recipe = heatmap_recipe(config, poses.key)
    status: Status = "cached"
    if overwrite or artifact.staleness(path, recipe) is not None:
        arrays, facts = compress_heatmaps(project.read_pose(video.id)[0], config)
        artifact.write_arrays(path, arrays, recipe, facts)
        status = "ok"
    frames = int(artifact.read_header(path)[1]["frames"])
    size = path.stat().st_size / 1e3
    message = f"{size:,.1f} kB, {size / max(frames, 1):.1f} kB per frame"
    return ItemResult(video.path, video.id, status, frames, message=message)


def compress_heatmaps(
    pose: PoseSequence, config: HeatmapConfig
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the JSON facts of a clip's file.

    data: (bytes,) uint8, the zstd frames one after another. offset: (chunks + 1,) int64, the start
    of each. facts: `frames`, `chunk`, `channels` C, `size` H = W, `skeleton`, and `box` xyxy in
    pixels (null if no joint is ever seen).
    """
    import zstandard

    skeleton, size = get_skeleton(pose.skeleton), config.size
    channels = channel_count(skeleton, config.channels)
    box = clip_box(pose.xy, config.crop, config.padding)
    cells = to_cells(pose.xy, box, size, config.aspect)
    cell = cell_size(box, size, config.aspect)
    # The checksums reveal a damaged chunk when it is read.
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    buffer = np.empty((CHUNK, channels, size, size), dtype=np.float32)
    parts = []
    for start in range(0, len(pose), CHUNK):
        part = slice(start, start + CHUNK)
        out = buffer[: min(CHUNK, len(pose) - start)]
        maps = render_heatmaps(
            cells[part], pose.score[part], skeleton.limbs, config, out, cell=cell
        )
        maps *= _LEVELS
        parts.append(compressor.compress(np.rint(maps, out=maps).astype(np.uint8).tobytes()))
    facts = {
        "frames": len(pose),
        "chunk": CHUNK,
        "channels": channels,
        "size": size,
        "skeleton": pose.skeleton,
        "box": None if np.isnan(box).any() else box.tolist(),
    }
    offset = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return {"data": np.frombuffer(b"".join(parts), dtype=np.uint8), "offset": offset}, facts


def expand_heatmaps(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> np.ndarray:
    """Return the 8-bit maps (T, C, H, W) uint8, 255 = 1, from the arrays and facts of
    compress_heatmaps."""
    import zstandard

    shape = (facts["channels"], facts["size"], facts["size"])
    maps = [np.empty((0, *shape), np.uint8)]
    for n, start in enumerate(range(0, facts["frames"], facts["chunk"])):
        part = arrays["data"][slice(*arrays["offset"][n : n + 2])].tobytes()
        frames = min(facts["chunk"], facts["frames"] - start)
        if zstandard.frame_content_size(part) != frames * math.prod(shape):
            raise ValueError(f"its chunk {n} does not hold {frames} frames")
        raw = zstandard.ZstdDecompressor().decompress(part)
        maps.append(np.frombuffer(raw, dtype=np.uint8).reshape(-1, *shape))
    return np.concatenate(maps)


def export_heatmaps(
    project: StoredProject,
    names: Sequence[str],
    out: Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Write the heatmaps of clips to OUT/<id>.npz, and return a result for each clip.

    A file holds `maps` (T, C, H, W) uint8, 255 = 1; `channel` (C,) names of joints and, joined by a
    hyphen, limbs; `frame` and `time` (T,) of the poses; and `box` (4,) x1 y1 x2 y2 in pixels, the
    crop. Maps are read from the cache if it is current, and otherwise rendered.

    Parameters
    ----------
    names: of the clips; empty = all.
    out: folder; None = results/export/heatmaps of the project.
    overwrite: replace existing files.

    Raises
    ------
    UserError: as export_clips.
    """
    config = project.config().heatmap

    def write(video: Video, path: Path) -> int:
        pose = posed(project, video)
        maps, facts = _current(project, video.id, pose, config)
        box = facts["box"] or [np.nan] * 4
        file = io.BytesIO()
        np.savez_compressed(
            file,
            maps=maps,
            channel=np.array(_channel_names(pose.skeleton, config)),
            frame=pose.frame,
            time=pose.time,
            box=np.array(box, np.float64),
        )
        artifact.write_bytes(path, file.getvalue())
        return len(pose)

    folder = out or project.results_dir("export/heatmaps")
    return export_clips(project, names, folder, ".npz", write, overwrite, progress)


def _current(
    project: StoredProject, video: str, pose: PoseSequence, config: HeatmapConfig
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Return the 8-bit maps and the facts of a clip, from its file if it is current and valid."""
    import zstandard

    path = project.heatmap_path(video)
    recipe = heatmap_recipe(config, project.pose_header(video)[0].key)
    if artifact.staleness(path, recipe) is None:
        with suppress(ArtifactError, zstandard.ZstdError, KeyError, TypeError, ValueError):
            arrays, _, facts = artifact.read_arrays(path)
            _check_facts(facts)
            return expand_heatmaps(arrays, facts), facts
    arrays, facts = compress_heatmaps(pose, config)
    return expand_heatmaps(arrays, facts), facts


def _channel_names(skeleton: str, config: HeatmapConfig) -> list[str]:
    """Return the names of the maps of a frame, in order."""
    names, pairs = get_skeleton(skeleton).joints, get_skeleton(skeleton).limbs
    joints = list(names) if "joints" in config.channels else []
    limbs = [f"{names[a]}-{names[b]}" for a, b in pairs]
    return joints + (limbs if "limbs" in config.channels else [])


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError for facts that compress_heatmaps cannot have written."""
    for name in ("frames", "chunk", "channels", "size"):
        if type(facts.get(name)) is not int or not 0 < facts[name] <= MOST_FRAMES:
            raise ValueError(f"its `{name}` is not an integer from 1 to {MOST_FRAMES:,}")
