"""Work on a long clip that is not finished yet, kept so that a killed run goes on inside the clip.

Results of consecutive chunks are written together every few seconds, each group as one artifact.
A clip that is done sooner writes nothing here.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe

Chunk = dict[str, np.ndarray]
_STEP, _VERSION = "poses-partial", 1
_EVERY = 10.0  # seconds of work that a killed run may lose


class Partial:
    """Folder of unfinished work of one clip. key: of the poses it is to become."""

    def __init__(
        self,
        folder: Path,
        key: str,
        every: float = _EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.key = key
        self.every = every
        self.clock = clock

    def stage(self, name: str, inputs: str = "") -> Stage:
        """A step of the work, with what earlier runs did of it. inputs: digest of what the step
        builds on besides the clip and its settings."""
        return Stage(self, name, inputs)

    def clear(self) -> None:
        """Remove everything: the clip is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Stage:
    """Chunks of one step of the work, from the first of the clip without a gap."""

    def __init__(self, partial: Partial, name: str, inputs: str) -> None:
        self._partial = partial
        self._name = name
        self._inputs = {"poses": partial.key, **({"before": inputs} if inputs else {})}
        self._fresh: list[Chunk] = []
        self._written = partial.clock()
        self.done: list[Chunk] = []
        while chunks := self._read(len(self.done)):
            self.done += chunks
        self._next = len(self.done)

    def add(self, chunk: Chunk) -> None:
        """Keep the result of the next chunk; it is on disk within `every` seconds of work."""
        self._fresh.append(chunk)
        if self._partial.clock() - self._written >= self._partial.every:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet."""
        if not self._fresh:
            return
        arrays = {f"{n}.{k}": a for n, chunk in enumerate(self._fresh) for k, a in chunk.items()}
        path = self._path(self._next)
        artifact.write_arrays(path, arrays, self._recipe(self._next), {"chunks": len(self._fresh)})
        self._next += len(self._fresh)
        self._fresh = []
        self._written = self._partial.clock()

    def _read(self, first: int) -> list[Chunk]:
        try:
            arrays, recipe, facts = artifact.read_arrays(self._path(first))
        except (FileNotFoundError, ArtifactError):
            return []
        if recipe.key != self._recipe(first).key:
            return []
        chunks: list[Chunk] = [{} for _ in range(facts["chunks"])]
        for name, array in arrays.items():
            number, _, key = name.partition(".")
            chunks[int(number)][key] = array
        return chunks

    def _recipe(self, first: int) -> Recipe:
        return Recipe(_STEP, _VERSION, {"stage": self._name, "first": first}, self._inputs)

    def _path(self, first: int) -> Path:
        return self._partial.folder / f"{self._name}-{first:06d}.safetensors"
