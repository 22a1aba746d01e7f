"""The weights of a run: their path, their header, and the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import Mismatch, Unreadable, Unusable, UserError
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.stored_project import BASE_RUN, DEFAULT_RUN, StoredProject
from la2ds_cli.network.base_weights import base_key, base_path
from la2ds_cli.network.embedder import EmbeddingStatistics

FRAMES = "frames"  # recipe input: the identity of model.rgb_weights
CODE = "code of "  # recipe input, with a dotted name: the user's own method or encoder


def checkpoint_path(project: StoredProject | None, run: str) -> Path:
    """Return the path of a run's weights; BASE_RUN is the base model, which needs no project."""
    if run == BASE_RUN or project is None:
        return base_path()
    return project.run_dir(run) / "best.safetensors"


def weights_key(project: StoredProject, run: str) -> str:
    """Return the SHA-256 of a run's weights, which identifies them in recipes; raises OSError if
    the file is missing."""
    return artifact.once(artifact.file_digest, checkpoint_path(project, run))


def has_model(project: StoredProject, run: str = DEFAULT_RUN) -> bool:
    """Return whether the run has weights."""
    return checkpoint_path(project, run).exists()


def trained_runs(project: StoredProject) -> list[str]:
    """Return the names of the runs that have weights, sorted."""
    folder = project.root / "checkpoints"
    return [run for run in project.runs() if (folder / run / "best.safetensors").exists()]


# --- the header ----------------------------------------------------------------------------------


def settings_of(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the settings of a recipe in sections, as config.load_config takes them."""
    nested: dict[str, dict[str, Any]] = {}
    for name, value in recipe.config.items():
        section, _, key = name.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested


@dataclass(frozen=True)
class RunHeader:
    """The header of a run's weights.

    Attributes
    ----------
    settings: of the run; None if its weights are missing or damaged.
    skeleton: that it reads; empty if unknown.
    spread: `Embedder.spread`; 0 if unknown.
    clips: ids of its clips, trained on or held out.
    held_out: ids of the clips among them that were held out; None if unknown.
    films: digests of the films and joints of its clips (`film_digests`); None if unknown.
    frames: identity of the ResNet weights of its frame features; empty if it reads joints.
    code: digests of the user's modules, by dotted name.
    shown: frames of the longest clip that it was trained on; 0 if unknown.
    """

    settings: Mapping[str, Any] | None = None
    skeleton: str = ""
    spread: float = 0.0
    clips: tuple[str, ...] = ()
    held_out: tuple[str, ...] | None = None
    films: frozenset[str] | None = None
    frames: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    shown: int = 0

    @classmethod
    def of(cls, recipe: Recipe, facts: Mapping[str, Any]) -> RunHeader:
        """Return the header of a weight file, from its recipe and facts."""
        spread, shown, mark = facts.get("spread", 0.0), facts.get("frames_shown", 0), CODE
        held_out, films = _texts(facts, "held_out"), _texts(facts, "films")
        return cls(
            settings_of(recipe),
            str(facts.get("skeleton", "")),
            float(spread) if isinstance(spread, int | float) else 0.0,
            _texts(facts, "videos") or (),
            held_out,
            None if films is None else frozenset(films),
            recipe.inputs.get(FRAMES, ""),
            {n.removeprefix(mark): d for n, d in recipe.inputs.items() if n.startswith(mark)},
            shown if isinstance(shown, int) and shown > 0 else 0,
        )

    @cached_property
    def config(self) -> Config:
        """The settings; raises UserError (exit 2) for unknown ones."""
        return load_config(dict(self.settings or {}))

    @property
    def input(self) -> str:
        """Input of the network (`model.input`); empty if the weights are missing or damaged."""
        return "" if self.settings is None else self.config.model.input

    @property
    def trained(self) -> tuple[str, ...]:
        """Ids of the clips that the run was trained on."""
        held_out = set(self.held_out or ())
        return tuple(clip for clip in self.clips if clip not in held_out)


def _texts(facts: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Return a list of texts of a header, None if it is missing."""
    texts = facts.get(name)
    return tuple(map(str, texts)) if isinstance(texts, list) else None


def run_header(project: StoredProject | None, run: str) -> RunHeader:
    """Return the header of a run's weights, empty if they are missing or damaged."""
    return run_header_at(checkpoint_path(project, run))


def run_header_at(path: Path) -> RunHeader:
    """Return the header of a weight file, empty if it is missing or damaged."""
    with suppress(FileNotFoundError, artifact.ArtifactError):
        return artifact.once(_read_header, path)
    return RunHeader()


def _read_header(path: Path) -> RunHeader:
    return RunHeader.of(*artifact.read_header(path))


# --- the whole file ------------------------------------------------------------------------------


def read_weights(path: Path) -> tuple[dict[str, np.ndarray], Recipe, dict[str, Any]]:
    """Return the arrays (by name), the recipe and the facts of a checkpoint.

    Raises UserError if the file is damaged (exit 3) or is not a la2ds checkpoint (exit 5).
    """
    try:
        arrays, recipe, facts = artifact.read_arrays(path)
    except artifact.ArtifactError as error:
        raise Unreadable(
            f"{path} is not a usable checkpoint: {error}",
            hint="train again with --overwrite, or restore the file",
        ) from error
    if recipe.step != "train":
        raise Mismatch(f"{path} is not a checkpoint but the output of step '{recipe.step}'")
    return arrays, recipe, facts


class StoredWeights(NamedTuple):
    """The content of a weight file; key: its digest, the identity of the weights."""

    weights: Mapping[str, np.ndarray]
    header: RunHeader
    key: str
    statistics: EmbeddingStatistics

    @classmethod
    def of(cls, path: Path) -> StoredWeights:
        """Read a weight file; raises UserError as load_network does."""
        weights, recipe, facts = read_weights(path)
        header = RunHeader.of(recipe, facts)
        if header.skeleton not in SKELETONS:
            raise _damaged(path, "its skeleton is missing or unknown")
        try:
            statistics = EmbeddingStatistics.of(facts, header.config.model.width)
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        return cls(weights, header, artifact.file_digest(path), statistics)


def existing_weights(project: StoredProject, run: str) -> Path:
    """Return the path of a run's weights; raises UserError if it has none (exit 4), or if those of
    the base model are damaged (exit 3)."""
    path = checkpoint_path(project, run)
    if run == BASE_RUN:
        base_key()
    elif not path.exists():
        runs = trained_runs(project)
        others = f"trained runs: {', '.join(runs)}; " if runs else ""
        raise Unusable(
            f"run '{run}' has no trained model", hint=f"{others}la2ds train --run {run} trains it"
        )
    return path


def _damaged(path: Path, reason: str) -> UserError:
    return Unreadable(
        f"{path} is damaged: {reason}", hint="train again with --overwrite, or restore the file"
    )
