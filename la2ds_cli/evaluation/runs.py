"""The feature sets to evaluate: the networks of one or several training runs, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from la2ds_cli import artifact
from la2ds_cli.config import Config
from la2ds_cli.device import DeviceName
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.evaluation.features import (
    FEATURE_NAMES,
    FeatureSet,
    baseline_sets,
    embedder_set,
)
from la2ds_cli.frame_features import frame_reader
from la2ds_cli.project import Project
from la2ds_cli.types import PoseSequence


def check_runs(project: Project, runs: Sequence[str]) -> tuple[str, ...]:
    """The runs as a tuple; UserError (exit 2) for a name that is none, or one that comes twice."""
    for run in runs:
        project.run_dir(run)
    if len(set(runs)) < len(runs):
        raise UserError("a run is named twice", hint=f"name each once: {', '.join(set(runs))}")
    return tuple(runs)


def feature_sets(
    project: Project,
    runs: Sequence[str],
    config: Config,
    device: DeviceName,
    skeleton: str,
    wanted: Sequence[str] | None,
    others: Sequence[PoseSequence],
    warnings: list[str],
    *,
    optional: bool = False,
) -> list[FeatureSet]:
    """The wanted sets (None = all) in the order of FEATURE_NAMES, `model` once for each run.

    optional: a single run without weights is left out with a warning, and the untrained network
    then has the settings of `config`. others: clips by way of which the networks and one variant of
    raw poses align. UserError (exit 4) when a run has no weights that must have some, or when
    nothing is left.
    """
    sets = baseline_sets(others, config.align)
    if wanted is None or {"model", "untrained"} & set(wanted):
        sets += _network_sets(
            project, runs, config, device, skeleton, wanted, others, warnings, optional
        )
    names = FEATURE_NAMES if wanted is None else wanted
    chosen = sorted((s for s in sets if s.name in names), key=lambda s: FEATURE_NAMES.index(s.name))
    if not chosen:
        raise UserError(
            f"run {runs[0]} has no model, so there is nothing to evaluate",
            hint=f"la2ds train, or ask for {', '.join(FEATURE_NAMES[1:])}",
            exit_code=ExitCode.UNUSABLE,
        )
    return chosen


def _network_sets(
    project: Project,
    runs: Sequence[str],
    config: Config,
    device: DeviceName,
    skeleton: str,
    wanted: Sequence[str] | None,
    others: Sequence[PoseSequence],
    warnings: list[str],
    optional: bool,
) -> list[FeatureSet]:
    from la2ds_cli.embedding import (
        has_model,
        load_embedder,
        trained_runs,
        untrained_embedder,
    )

    embedders, network = {}, "the network of the project's settings"
    if not optional or has_model(project, runs[0]):
        embedders = {run: load_embedder(project, run, device) for run in runs}
        network = "the same network" if len(runs) == 1 else f"the network of run {runs[0]}"
        warnings += _differences(project, runs)
    else:
        named = trained_runs(project)
        more = f"; --run NAME takes another: {', '.join(named)}" if named else ""
        warnings.append(f"run {runs[0]} has no model: only baselines were evaluated{more}")
    sets = [
        embedder_set("model", f"the network of run {run}", embedder, config.align, others, run)
        for run, embedder in embedders.items()
    ]
    if wanted is None or "untrained" in wanted:
        settings = embedders[runs[0]].config if embedders else config
        seed = config.evaluate.seed
        if embedders:
            pictures = embedders[runs[0]].pictures
        else:
            pictures = frame_reader(project, settings, device=device)
        untrained = untrained_embedder(
            settings, skeleton, seed=seed, device=device, pictures=pictures
        )
        sets.append(
            embedder_set(
                "untrained",
                f"{network} with random weights",
                untrained,
                replace(config.align, pool=False),  # the joints' movement would do the work
                others,
            )
        )
    return sets


def _differences(project: Project, runs: Sequence[str]) -> list[str]:
    """Warnings about what the runs differ in beside their seed, which a mean over them mixes up,
    and about runs of one seed, which say nothing of the spread over seeds."""
    from la2ds_cli.embedding import checkpoint_path

    recipes = {run: artifact.read_header(checkpoint_path(project, run))[0] for run in runs}
    first = recipes[runs[0]]
    found, by_seed = [], {}
    for run, recipe in recipes.items():
        by_seed.setdefault(recipe.config.get("train.seed"), []).append(run)
    for seed, same in by_seed.items():
        if len(same) > 1:
            found.append(f"runs {', '.join(same)} have one and the same seed (train.seed={seed})")
    for run in runs[1:]:
        other = recipes[run]
        names = [n for n in _changed(first.config, other.config) if n != "train.seed"]
        clips = [found.inputs.get("clips") for found in (first, other)]
        names += ["the training clips"] if clips[0] != clips[1] else []
        if names:
            found.append(
                f"runs {runs[0]} and {run} differ in more than the seed: {', '.join(names)}"
            )
    return found


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
