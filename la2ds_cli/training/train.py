"""Step: train the alignment network on a project's clips."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli import __version__
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.features.frame_features import FrameFeatureReader, frame_feature_reader
from la2ds_cli.training.distributed import Processes, joined
from la2ds_cli.training.losses import check_input

if TYPE_CHECKING:
    from la2ds_cli.training.data import TrainingSet
    from la2ds_cli.training.loop import LoopState
    from la2ds_models.sequence_network import SequenceNetwork

FEW_CLIPS = 10  # below this the user is warned
SMALL_SET = 20  # up to this the model is set beside raw poses
COLLAPSED = 20.0  # % synthetic warp error; chance is about 33
SAME_FRAMES = (
    "with --input rgb the copies show the very frames of their clip, or mirror images of them: the "
    "validation error says little of other bodies and places, and la2ds evaluate has to"
)


@dataclass(frozen=True)
class TrainResult:
    """Outcome of a run. validation_error: % of clip length, synthetic warps of held-out clips
    (la2ds_cli.training.validate); raw_pose_error: the same without training, NaN = not measured;
    seconds: of training, over all resumed parts; data_share, drawing_share: of the time of its
    steps, what the network waited for batches and what drawing them took in a thread beside it."""

    run: str
    steps: int
    seconds: float
    clips: int
    validation_error: float
    best_step: int
    checkpoint: Path
    already_finished: bool = False
    raw_pose_error: float = math.nan
    data_share: float = 0.0
    drawing_share: float = 0.0
    collapse: str = ""
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        return asdict(self) | {"checkpoint": str(self.checkpoint)}


def train(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    max_minutes: float | None = None,
    device: DeviceName = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
    tensorboard: bool = False,
) -> TrainResult:
    """Train run `run`, or go on with it where it was interrupted.

    A finished run of the same settings and clips is left alone. A run of other settings or
    clips is refused (UserError, exit 5) unless `overwrite`; so are a `max_minutes` that is not
    more than 0 and settings that fit no network (exit 2), before anything is written. Writes the
    files of la2ds_cli.training.checkpoint and CARD.md, and with `tensorboard` event files. Under
    `torchrun` every process calls this, and the first one writes.
    """
    processes = Processes.from_environment()
    target = processes.device(resolve_device(device))
    try:
        check_input(config)
    except UserError as error:
        raise processes.same(error) from error
    if max_minutes is not None and not max_minutes > 0:
        raise processes.same(UserError(f"the longest training is {max_minutes:g} minutes"))
    _check_share(processes, config.train.batch_size)
    with joined(processes, target):
        return _train(
            project,
            run,
            config,
            max_minutes,
            target,
            overwrite,
            progress if progress and processes.first else Progress(),
            tensorboard,
            processes,
        )


def _train(
    project: Project,
    run: str,
    config: Config,
    max_minutes: float | None,
    device: Any,
    overwrite: bool,
    progress: Progress,
    tensorboard: bool,
    processes: Processes,
) -> TrainResult:
    from la2ds_cli.training import checkpoint, train
    from la2ds_cli.training.data import batch_size, load_training_set
    from la2ds_cli.training.loop import run_loop
    from la2ds_cli.training.losses import add_head
    from la2ds_cli.training.network import build_network

    run_dir = project.run_dir(run)
    data = processes.together(lambda: load_training_set(project, config))

    def build() -> SequenceNetwork:
        network = build_network(config.model, config.heatmap, data.skeleton, config.train.seed)
        add_head(network, config)
        return network

    # Before the folder: settings that fit no network leave no run behind, and replace none.
    network = processes.together(build)
    frames = processes.together(
        lambda: frame_feature_reader(project, config, "", device.type, progress)
    )
    if frames is not None:
        data = _with_frames(project, config, data, frames, processes)
    made_from = checkpoint.recipe(config, data.digest, frames.weights if frames else "")
    count = len({clip.video for clip in (*data.train, *data.validation)})
    _check_share(processes, batch_size(config.train, len(data.train)))
    # Nobody reads the folder before the first process has made it ready.
    processes.together(
        lambda: _prepare(run_dir, config, made_from, run, overwrite) if processes.first else None
    )
    _tell_of_few(count, len(data.train), config, progress)
    saved = checkpoint.load_resume(run_dir / "resume.pt")
    state = run_loop(
        network.to(device),
        data,
        config,
        run_dir,
        made_from,
        device=device,
        max_minutes=max_minutes,
        progress=progress,
        processes=processes,
        tensorboard=tensorboard,
    )
    warnings = [*_warnings(count, state), *([SAME_FRAMES] if frames else [])]
    if processes.first:
        train.write_card(run_dir, config, data, state, device.type, warnings)
    processes.wait()  # the project is unlocked when everybody has finished
    return TrainResult(
        run=run,
        steps=state.step,
        seconds=state.seconds,
        clips=count,
        validation_error=state.best_error,
        best_step=state.best_step,
        checkpoint=run_dir / "best.safetensors",
        already_finished=bool(saved and saved["state"]["finished"]),
        raw_pose_error=state.raw_pose_error,
        data_share=state.data_share(),
        drawing_share=state.drawing_share(),
        collapse=state.collapse,
        warnings=warnings,
    )


def _with_frames(
    project: Project,
    config: Config,
    data: TrainingSet,
    frames: FrameFeatureReader,
    processes: Processes,
) -> TrainingSet:
    """The training set with the features of its video frames; each process makes a share of those
    that are missing, once it is known that all of them can be made."""
    from la2ds_cli.training.data import load_training_set

    clips = sorted({clip.video for clip in (*data.train, *data.validation)})
    processes.together(lambda: frames.check(clips))
    processes.together(lambda: frames.ensure(clips[processes.share]))
    return processes.together(lambda: load_training_set(project, config, frames.with_mirrored))


def _check_share(processes: Processes, pairs: int) -> None:
    """Every process must have a pair of every batch."""
    if processes.count > pairs:
        raise processes.same(
            UserError(
                f"{processes.count} processes cannot share batches of {pairs}",
                hint="start fewer, or raise train.batch_size (at most 8 pairs of each clip)",
            )
        )


def _prepare(
    run_dir: Path, config: Config, made_from: artifact.Recipe, run: str, overwrite: bool
) -> None:
    import tomli_w

    if overwrite:
        _clear(run_dir)
    _refuse_drift(run_dir, made_from, run)
    artifact.write_text(run_dir / "config.toml", tomli_w.dumps(config.to_stored()))
    artifact.write_json(run_dir / "recipe.json", made_from.to_json())


def _tell_of_few(count: int, trained: int, config: Config, progress: Progress) -> None:
    from la2ds_cli.training.data import MOST_PAIRS, batch_size

    size = batch_size(config.train, trained)
    if size < config.train.batch_size:
        progress.note(
            f"batches of {size} instead of {config.train.batch_size} pairs: at most {MOST_PAIRS} "
            f"of each of the {trained} clips"
        )
    if count < FEW_CLIPS:
        progress.note(f"only {count} clips to learn from")


def _warnings(count: int, state: Any) -> list[str]:
    """What a user must know before trusting the model."""
    found = []
    beside = (
        f"{state.best_error:.2f} % against {state.raw_pose_error:.2f} % of raw poses on the same "
        "warped clips"
    )
    if count < FEW_CLIPS:
        found.append(
            f"only {count} clips to learn from ({beside}): compare with --features pose before "
            "trusting it"
        )
    elif count <= SMALL_SET:
        found.append(f"few clips to learn from ({beside}): compare with --features pose")
    if state.collapse:
        found.append(f"the embedding has collapsed: {state.collapse}")
    elif state.best_error > COLLAPSED:
        found.append(
            f"the embedding undoes synthetic warps with {state.best_error:.0f} % error, close to "
            "chance: its alignments cannot be trusted"
        )
    return found


def _clear(run_dir: Path) -> None:
    import shutil

    for name in ("resume.pt", "recipe.json", "last.safetensors", "best.safetensors"):
        (run_dir / name).unlink(missing_ok=True)
    shutil.rmtree(run_dir / "tensorboard", ignore_errors=True)


def _refuse_drift(run_dir: Path, made_from: artifact.Recipe, run: str) -> None:
    """A half-trained or finished run is never mixed with other settings."""
    import json

    path = run_dir / "recipe.json"
    if not path.exists():
        return
    old = artifact.Recipe.from_json(json.loads(path.read_text("utf-8")))
    if old.key == made_from.key:
        return
    raise UserError(
        f"run '{run}' was trained differently ({artifact.difference(old, made_from)})",
        hint="choose another name with --run NAME, or replace it with --overwrite",
        exit_code=ExitCode.MISMATCH,
    )


# --- the model card beside every run -------------------------------------------------------------


def _percent(error: float) -> str:
    return f"{error:.2f} %" if math.isfinite(error) else "not measured"


def write_card(
    run_dir: Path,
    config: Config,
    data: TrainingSet,
    state: LoopState,
    device: str,
    warnings: list[str],
) -> None:
    """Write CARD.md: what the model is, what it learned from, how well, what it cannot do."""
    import torch

    held_out = data.validation is not data.train
    lines = [
        f"# Alignment model: run {run_dir.name}",
        "",
        f"Trained by la2ds {__version__} (torch {torch.__version__}, {device}), "
        f"preset `{config.preset}`, seed {config.train.seed}.",
        "",
        "| | |",
        "|---|---|",
        f"| skeleton | {data.skeleton.name} |",
        f"| input | {config.model.input} |",
        f"| clips trained on | {len(data.train)} |",
        f"| clips held out for validation | {len(data.validation) if held_out else 0} |",
        f"| frames per second | {config.train.fps:g} |",
        f"| steps | {state.step} of {config.train.steps} |",
        f"| time | {state.seconds:.0f} s |",
        f"| drawing batches, beside the network | {100 * state.drawing_share():.0f} % of it |",
        f"| waiting for them | {100 * state.data_share():.0f} % of it |",
        f"| validation error (synthetic warps, best at step {state.best_step}) | "
        f"{state.best_error:.2f} % of the clip length |",
        f"| the same error of raw poses, without training | {_percent(state.raw_pose_error)} |",
        f"| embedding dimensions in use | {state.rank:.1f} of {config.model.width} |",
        "",
        "The validation error is measured without labels on warped copies "
        + ("of clips held out of training." if held_out else "of the training clips themselves.")
        + " It does not say how well different performers align: `la2ds evaluate` does, beside "
        "the baselines.",
        "",
        "## Limits",
        "",
        "- One action: clips of another movement embed, but mean nothing.",
        "- Two-dimensional joints: a change of camera by more than some tens of degrees changes "
        "what the network sees.",
        "- Repeated movements look alike: a frame of one repetition may match another repetition.",
        "- A run limited by `--max-minutes` depends on the speed of the machine and is not exactly "
        "reproducible; one limited by steps is.",
    ]
    if warnings:
        lines += ["", "## Warnings", "", *(f"- {warning}" for warning in warnings)]
    artifact.write_text(run_dir / "CARD.md", "\n".join(lines) + "\n")
