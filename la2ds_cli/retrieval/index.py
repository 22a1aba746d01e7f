"""The index of `retrieve`: features of all frames of all clips in one file, and IVF lists of them.

A file is whole or not there. Its recipe names the weights and the key of what every clip's rows
were made from, so it says by itself which clips are current.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
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
