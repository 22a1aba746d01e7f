"""Step: train the alignment network on a project's clips."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import Mismatch, Unreadable, UserError
from la2ds_cli.core.plugins import code_digests
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.ray_engine import ray_map
from la2ds_cli.core.stored_project import BASE_RUN, DEFAULT_RUN, StoredProject
from la2ds_cli.features.frame_features import frame_feature_reader
from la2ds_cli.network.base_weights import base_key
from la2ds_cli.network.run_weights import run_header_at
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.training import checkpoint
from la2ds_cli.training.checkpoint import FINISHED, LoopState
from la2ds_cli.training.clip_set import FEW_CLIPS
from la2ds_cli.training.data import MAX_PAIRS, TrainingSet, batch_size, load_training_set
from la2ds_cli.training.from_base import start_from_base
from la2ds_cli.training.loop import LoopOptions, run_loop
from la2ds_cli.training.losses import add_head, check_input

BEST = "best.safetensors"
HAS_COLLAPSED = "the embedding has collapsed: "
COLLAPSED = 20.0  # % synthetic warp error; chance is about 33
SAME_FRAMES = (
    "with --input rgb the copies show exactly the frames of their clip, or their mirror images, "
    "so the validation error says little about other people; la2ds evaluate measures that"
)


@dataclass(frozen=True)
class TrainResult:
    """Outcome of a run.

    validation_error: % of the clip length on synthetic warps of held-out clips
    (la2ds_cli.training.validate). raw_pose_error: the same error of raw poses, NaN = not measured.
    seconds: training time over all resumed parts. ended: see checkpoint.early_end.
    """

    run: str
    steps: int
    seconds: float
    clips: int
    validation_error: float
    best_step: int
    checkpoint: Path
    already_finished: bool = False
    ended: str = ""
    raw_pose_error: float = math.nan
    collapse: str = ""
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"checkpoint": str(self.checkpoint)}


@dataclass(frozen=True)
class TrainOptions:
    """The options of a run besides its settings.

    max_minutes: time limit over all resumed parts, None = no limit.
    overwrite: replace a run with other settings or clips.
    from_base: start from the weights of the base model instead of random ones.
    clock: returns the current time in seconds, for `max_minutes` and the time of the run.
    """

    device: DeviceName = "auto"
    max_minutes: float | None = None
    overwrite: bool = False
    from_base: bool = False
    clock: Callable[[], float] = time.monotonic


def train(
    project: StoredProject,
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    options: TrainOptions = TrainOptions(),
    progress: Progress = SILENT,
) -> TrainResult:
    """Train a run, or resume it if it was interrupted.

    A finished run with the same settings and clips is left unchanged, even if its resume state is
    lost or only its weights were copied.

    Parameters
    ----------
    run: its name.
    config: its settings.
    options: what else the user chose.

    Raises
    ------
    UserError: exit 2, before anything is written, if `max_minutes` is not above 0 or the settings
        fit no network; 5 if the run has other settings or clips, unless `overwrite`.
    """
    if run == BASE_RUN:
        raise UserError(f"'{run}' is the base model", hint="choose another name with --run")
    device, limit = resolve_device(options.device), options.max_minutes
    check_input(config)
    check_limit(limit)
    run_dir = project.run_dir(run)
    data = load_training_set(project, config)
    # built before the folder is touched: settings that fit no network must not change a run
    network = build_network(config.model, config.heatmap, data.skeleton, config.train.seed)
    add_head(network, config)
    if options.from_base:
        start_from_base(network, config, data.skeleton)
    clips = sorted({clip.video for clip in (*data.train, *data.validation)})
    if frames := frame_feature_reader(project, config, "", options.device, progress):
        frames.check(clips)
        frames.ensure(clips)
        data = load_training_set(project, config, frames.with_mirrored)
    recipe = checkpoint.training_recipe(
        config,
        data.digest,
        frames.weights if frames else "",
        base_key() if options.from_base else "",
        code_digests(*(n for n in (config.train.method, config.model.encoder) if "." in n)),
    )
    finished = _prepare_folder(run_dir, config, recipe, options.overwrite)
    saved = checkpoint.load_resume(run_dir / "resume.pt")
    if saved and not finished:
        _check_held_out(run_dir, data)
    if finished and saved is None:
        return _as_it_stands(run_dir, len(clips))
    _note_small_batches(len(data.train), config, progress)
    here = LoopOptions(device, limit, progress, options.clock)
    state = run_loop(network.to(device), data, config, run_dir, recipe, here)
    warnings = [*_warnings(len(clips), state), *([SAME_FRAMES] if frames else [])]
    ended = checkpoint.early_end(state.step, config.train.steps, state.idle, config.train.patience)
    facts = {"steps": state.step, "seconds": state.seconds, "clips": len(clips), "ended": ended}
    artifact.write_json(run_dir / FINISHED, facts | {"warnings": warnings})
    return TrainResult(
        run=run,
        steps=state.step,
        seconds=state.seconds,
        clips=len(clips),
        validation_error=state.best_error,
        best_step=state.best_step,
        checkpoint=run_dir / BEST,
        already_finished=bool(saved and saved["state"]["finished"]),
        ended=ended,
        raw_pose_error=state.raw_pose_error,
        collapse=state.collapse,
        warnings=warnings,
    )


def train_seeds(
    project: StoredProject,
    seeds: Sequence[int],
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    options: TrainOptions = TrainOptions(),
    engine: Literal["local", "ray"] = "local",
    progress: Progress = SILENT,
) -> Iterator[TrainResult]:
    """Train a run for each seed, named RUN-sSEED, and yield the results in order, each as soon as
    it is known.

    Parameters
    ----------
    seeds: different whole numbers from 0 up.
    run: beginning of the names of the runs.
    config: settings of all runs.
    options: of all runs.
    engine: `ray` trains in the actors of a Ray cluster that shares the project's folder, with a
        core or GPU each. If a worker dies, another continues its run.
    progress: shows the training, without Ray.

    Raises
    ------
    UserError: exit 2 for other seeds, and as `train`.
    """
    check_seeds(seeds)
    arguments = (str(project.root), run, config, options)
    if engine == "ray":
        yield from ray_map(TrainWorker, arguments, seeds, options.device)
    else:
        yield from map(TrainWorker(*arguments, progress), seeds)


def check_limit(minutes: float | None) -> None:
    """Raise UserError (exit 2) for a time limit that leaves no time; None = no limit."""
    if minutes is not None and not minutes > 0:
        raise UserError(f"the time limit must be more than 0 minutes, got {minutes:g}")


def check_seeds(seeds: Sequence[int], settings: Sequence[str] = ()) -> None:
    """Raise UserError (exit 2) for no seed, a negative seed or a duplicate, and for `settings` that
    set train.seed, which each run's own seed would replace."""
    for setting in settings:
        name, _, value = (part.strip() for part in setting.partition("="))
        if name == "train.seed":
            raise UserError(
                "train.seed would have no effect: each run has its own seed",
                hint=f"--seeds {value}",
            )
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(
            f"the seeds must be different numbers from 0 up, got {list(seeds)}",
            hint="--seeds 0,1,2",
        )


class TrainWorker:
    """Trains the run of one seed after another; the callable of a Ray actor."""

    def __init__(
        self,
        root: str,
        run: str,
        config: Config,
        options: TrainOptions,
        progress: Progress = SILENT,
    ) -> None:
        self._project, self._run = StoredProject.open(Path(root)), run
        self._config, self._options, self._progress = config, options, progress

    def __call__(self, seed: int) -> TrainResult:
        return train(
            self._project,
            run=f"{self._run}-s{seed}",
            config=replace(self._config, train=replace(self._config.train, seed=seed)),
            options=self._options,
            progress=self._progress,
        )


def _prepare_folder(
    run_dir: Path, config: Config, recipe: artifact.Recipe, overwrite: bool
) -> bool:
    """Write the settings and the recipe of the run, and return whether the folder has the weights
    of a finished run; with `overwrite`, the old run is removed first.

    Raises UserError (exit 5) for a run with another recipe, whose files would mix with this run's.
    """
    import tomli_w

    path, weights = run_dir / "recipe.json", run_dir / BEST
    if overwrite:
        for name in ("resume.pt", "recipe.json", FINISHED, "last.safetensors", BEST):
            (run_dir / name).unlink(missing_ok=True)
    # Training writes recipe.json first: without it, the weights were copied from a finished run.
    finished = weights.exists() and not (path.exists() and not (run_dir / FINISHED).exists())
    if path.exists() or finished:
        try:
            old = artifact.read_recipe(path) if path.exists() else artifact.read_header(weights)[0]
        except artifact.ArtifactError as error:
            raise Unreadable(
                str(error),
                hint="choose another name with --run NAME, or replace the run with --overwrite",
            ) from error
        if old.key != recipe.key:
            raise Mismatch(
                f"run '{run_dir.name}' was trained differently "
                f"({artifact.difference(old, recipe)})",
                hint="choose another name with --run NAME, or replace it with --overwrite",
            )
    artifact.write_text(run_dir / "config.toml", tomli_w.dumps(config.to_dict()))
    artifact.write_json(path, recipe.to_json())
    return finished


def _check_held_out(run_dir: Path, data: TrainingSet) -> None:
    """Raise UserError (exit 5) if an interrupted run held out other clips than it would now.

    The choice depends on the films and performers in videos.csv; clips that it was trained on would
    count as held out.
    """
    held_out = run_header_at(run_dir / "last.safetensors").held_out
    if held_out is not None and list(held_out) != data.held_out:
        raise Mismatch(
            f"run '{run_dir.name}' held out other clips: videos.csv has other films or groups now",
            hint="undo the change, or train from the beginning with --overwrite",
        )


def _as_it_stands(run_dir: Path, clips: int) -> TrainResult:
    """Return the result of a finished run without its resume state, from the header of its weights
    and FINISHED, which is written from the header if only the weights were copied."""
    header = artifact.read_header(run_dir / BEST)[1]
    stored = artifact.read_document(run_dir / FINISHED)
    facts = {"steps": header["step"], "seconds": 0.0, "clips": clips, "ended": "", "warnings": []}
    facts |= {name: stored[name] for name in facts if type(stored.get(name)) is type(facts[name])}
    artifact.write_json(run_dir / FINISHED, facts)
    warnings = checkpoint.run_warnings(run_dir)
    return TrainResult(
        run=run_dir.name,
        steps=facts["steps"],
        seconds=facts["seconds"],
        clips=facts["clips"],
        validation_error=header["validation_error"],
        best_step=header["step"],
        checkpoint=run_dir / BEST,
        already_finished=True,
        ended=facts["ended"],
        collapse="".join(text.partition(HAS_COLLAPSED)[2] for text in warnings),
        warnings=warnings,
    )


def _note_small_batches(trained: int, config: Config, progress: Progress) -> None:
    size = batch_size(config.train, trained)
    if size < config.train.batch_size:
        progress.note(
            f"batches of {size} instead of {config.train.batch_size} pairs: at most {MAX_PAIRS} "
            f"from each of the {trained} clips"
        )


def _warnings(count: int, state: LoopState) -> list[str]:
    """Return warnings about a trained model, as sentences."""
    warnings = []
    if count < FEW_CLIPS:
        warnings.append(f"only {count} clips to learn from")
    if state.collapse:
        warnings.append(f"{HAS_COLLAPSED}{state.collapse}")
    elif state.best_error > COLLAPSED:
        warnings.append(
            f"the embedding recovers synthetic warps with {state.best_error:.0f} % error, close to "
            "chance: its alignments cannot be trusted"
        )
    return warnings
