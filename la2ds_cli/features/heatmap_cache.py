"""Step `cache-heatmaps`: the heatmaps of every clip, compressed, and readable in part.

The maps are those of the original clip; augmented copies are rendered from their joints during
training. Each clip has one file of 8-bit maps in zstd frames of 64 video frames each, so that
reading a part of a long clip decompresses only the frames around it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, MissingArtifact, Recipe
from la2ds_cli.core.batch import ItemResult, Status, error_row, unexpected
from la2ds_cli.core.clip import MOST_FRAMES, Video
from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import ExitCode, Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.heatmaps import (
    cell_size,
    channel_count,
    clip_box,
    render_heatmaps,
    to_cells,
)

STEP = "heatmaps"
VERSION = 1
CHUNK = 64  # frames per zstd frame
_LEVELS = 255  # 8 bits: at most 0.002 from the rendered value


def heatmap_recipe(config: HeatmapConfig, pose_key: str) -> Recipe:
    """Recipe of a clip's cached heatmaps; pose_key is the key of its poses' recipe."""
    return Recipe(STEP, VERSION, asdict(config), {"poses": pose_key})


def cache_heatmaps(
    project: Project, config: HeatmapConfig, *, overwrite: bool = False, progress: Progress = SILENT
) -> list[ItemResult]:
    """Render and store the heatmaps of all frames of every clip that has poses.

    A clip whose file comes from the same poses and settings is `cached`; one without poses is
    `skipped`; one whose poses are damaged is `failed`. Messages give the size. Raises UserError if
    the project has no clips (exit 4) or the disk is full or read-only (exit 7).
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


def _stored(project: Project, video: Video, config: HeatmapConfig, overwrite: bool) -> ItemResult:
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
    """Arrays and JSON facts of one clip's file.

    data: (bytes,) uint8, the zstd frames one after another. offset: (chunks + 1,) int64, where
    each begins. facts: `frames`, `chunk`, `channels` C, `size` H = W, `skeleton`, and `box` xyxy
    in pixels (null if no joint is ever seen).
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


def read_heatmaps(
    project: Project, video: str, start: int = 0, stop: int | None = None
) -> FloatArray:
    """Maps (T, C, H, W) float32 in [0, 1] of frames start..stop (exclusive, as in a slice).

    Only the chunks that hold those frames are decompressed. Raises UserError if the heatmaps are
    not cached (exit 4) or damaged (exit 3).
    """
    import zstandard

    path = project.heatmap_path(video)
    try:
        arrays, _, facts = artifact.read_arrays(path)
        _check_facts(facts)
        first, last, _ = slice(start, stop).indices(facts["frames"])
        shape = (facts["channels"], facts["size"], facts["size"])
        chunk = facts["chunk"]
        maps = [np.empty((0, *shape), np.float32)]
        for n in range(first // chunk, math.ceil(max(first, last) / chunk)):
            part = arrays["data"][slice(*arrays["offset"][n : n + 2])].tobytes()
            frames = min(chunk, facts["frames"] - n * chunk)
            if zstandard.frame_content_size(part) != frames * math.prod(shape):
                raise ValueError(f"its chunk {n} does not hold {frames} frames")
            raw = zstandard.ZstdDecompressor().decompress(part)
            levels = np.frombuffer(raw, dtype=np.uint8).reshape(-1, *shape)
            wanted = levels[max(first - n * chunk, 0) : max(last - n * chunk, 0)]
            maps.append(np.divide(wanted, _LEVELS, dtype=np.float32))
        return np.concatenate(maps)
    except MissingArtifact:
        problem, again, code = f"no cached heatmaps of {video}", "", ExitCode.UNUSABLE
    except (ArtifactError, zstandard.ZstdError, KeyError, TypeError, ValueError) as error:
        problem = f"the cached heatmaps of {video} are damaged: {error}"
        again, code = " --overwrite", ExitCode.UNREADABLE
    raise UserError(problem, hint=f"run la2ds cache-heatmaps{again}", exit_code=code)


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError for facts that compress_heatmaps cannot have written."""
    for name in ("frames", "chunk", "channels", "size"):
        if type(facts.get(name)) is not int or not 0 < facts[name] <= MOST_FRAMES:
            raise ValueError(f"its `{name}` is not an integer from 1 to {MOST_FRAMES:,}")
