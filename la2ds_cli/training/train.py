"""Step: train the alignment network on a project's clips."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import code_digests
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, DEFAULT_RUN, Project
from la2ds_cli.features.frame_features import FrameFeatureReader, frame_feature_reader
from la2ds_cli.training import checkpoint
from la2ds_cli.training.base_weights import base_key, start_from_base
from la2ds_cli.training.checkpoint import LoopState
from la2ds_cli.training.data import MAX_PAIRS, TrainingSet, batch_size, load_training_set
from la2ds_cli.training.distributed import Processes, process_group
from la2ds_cli.training.loop import LoopOptions, run_loop
from la2ds_cli.training.losses import add_head, check_input, get_method
from la2ds_cli.training.network import build_network

if TYPE_CHECKING:
    from la2ds_models.sequence_network import SequenceNetwork

FINISHED = "finished.json"  # written last
FEW_CLIPS = 10  # with fewer clips the user is warned
SMALL_SET = 20  # up to this many nobody can say beforehand whether training helps
COLLAPSED = 20.0  # % synthetic warp error; chance is about 33
SAME_FRAMES = (
    "with --input rgb the copies show exactly the frames of their clip, or mirror images of them, "
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
        """Plain dict for `--json`."""
        return asdict(self) | {"checkpoint": str(self.checkpoint)}


@dataclass(frozen=True)
class TrainOptions:
    """How a run is trained, besides its settings.

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
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    options: TrainOptions = TrainOptions(),
    progress: Progress | None = None,
) -> TrainResult:
    """Train run `run`, or resume it if it was interrupted.

    A finished run with the same settings and clips is left unchanged. Raises UserError (exit 5) if
    the run has other settings or clips, unless `overwrite`. Raises UserError (exit 2), before
    anything is written, if `max_minutes` is not more than 0 or the settings fit no network. Writes
    the files of la2ds_cli.training.checkpoint and FINISHED.
    Under `torchrun` every process calls this, and only the first one writes.
    """
    processes = Processes.from_environment()
    if run == BASE_RUN:
        raise processes.report_once(
            UserError(f"'{run}' stands for the base model", hint="choose another name with --run")
        )
    target = processes.device(resolve_device(options.device))
    try:
        check_input(config)
    except UserError as error:
        raise processes.report_once(error) from error
    limit = options.max_minutes
    if limit is not None and not limit > 0:
        raise processes.report_once(
            UserError(f"the time limit must be more than 0 minutes, got {limit:g}")
        )
    _check_share(processes, config.train.batch_size)
    shown = progress if progress and processes.first else Progress()
    here = LoopOptions(target, limit, shown, processes, options.clock)
    with process_group(processes, target):
        return _train(project, run, config, options, here)


def train_seeds(
    project: Project,
    seeds: Sequence[int],
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    options: TrainOptions = TrainOptions(),
    engine: Literal["local", "ray"] = "local",
    progress: Progress | None = None,
) -> Iterator[TrainResult]:
    """Train one run for each seed, named RUN-sSEED, and yield each as soon as it and those before
    it are finished.

    engine: `ray` trains them in the actors of a Ray cluster that shares the project's folder, one
    core or GPU for each. If a worker dies, another one continues its run. Raises UserError (exit 2)
    unless the seeds are different whole numbers from 0 up, and as `train` does.
    """
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(
            f"the seeds must be different numbers from 0 up, got {list(seeds)}",
            hint="--seeds 0,1,2",
        )
    items = [{"run": f"{run}-s{seed}", "seed": seed} for seed in seeds]
    if engine == "local":
        for item in items:
            yield _train_seed(project, item, config, options, progress)
        return
    from la2ds_cli.core.ray_engine import ray_map

    arguments = (str(project.root), config, options)
    for result in ray_map(TrainWorker, arguments, items, options.device):
        yield TrainResult(**{**result, "checkpoint": Path(result["checkpoint"])})


class TrainWorker:
    """Trains the run of one seed after another, for `ray_map`."""

    def __init__(self, root: str, config: Config, options: TrainOptions) -> None:
        self._project = Project.open(Path(root))
        self._config, self._options = config, options

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return _train_seed(self._project, item, self._config, self._options, None).to_json()


def _train_seed(
    project: Project,
    item: Mapping[str, Any],
    config: Config,
    options: TrainOptions,
    progress: Progress | None,
) -> TrainResult:
    seeded = replace(config, train=replace(config.train, seed=item["seed"]))
    return train(project, run=item["run"], config=seeded, options=options, progress=progress)


def _train(
    project: Project, run: str, config: Config, options: TrainOptions, here: LoopOptions
) -> TrainResult:
    run_dir, from_base = project.run_dir(run), options.from_base
    device, processes, progress = here.device, here.processes, here.progress
    data = processes.call_in_all(lambda: load_training_set(project, config))

    def build() -> SequenceNetwork:
        network = build_network(config.model, config.heatmap, data.skeleton, config.train.seed)
        add_head(network, config)
        if from_base:
            start_from_base(network, config, data.skeleton)
        return network

    # Built before the folder is touched: settings that fit no network leave and replace no run.
    network = processes.call_in_all(build)
    name: DeviceName = "cuda" if device.type == "cuda" else "cpu"
    frames = processes.call_in_all(
        lambda: frame_feature_reader(project, config, "", name, progress)
    )
    if frames is not None:
        data = _with_frames(project, config, data, frames, processes)
    recipe = checkpoint.training_recipe(
        config,
        data.digest,
        frames.weights if frames else "",
        base_key() if from_base else "",
        code_digests(*(n for n in (config.train.method, config.model.encoder) if "." in n)),
    )
    count = len({clip.video for clip in (*data.train, *data.validation)})
    _check_share(processes, batch_size(config.train, len(data.train)))
    # No process reads the folder until the first one has prepared it.
    processes.call_in_all(
        lambda: (
            _prepare_folder(run_dir, config, recipe, options.overwrite) if processes.first else None
        )
    )
    _note_few_clips(count, len(data.train), config, progress)
    if processes.several and getattr(get_method(config.train.method), "DRAWS", False):
        progress.note(
            f"the loss of {config.train.method} draws frames at random, and each of the "
            f"{processes.count} processes draws its own: the run differs from that of one process"
        )
    saved = checkpoint.load_resume(run_dir / "resume.pt")
    state = run_loop(network.to(device), data, config, run_dir, recipe, here)
    warnings = [*_warnings(count, state), *([SAME_FRAMES] if frames else [])]
    ended = checkpoint.early_end(state.step, config.train.steps, state.idle, config.train.patience)
    if processes.first:
        facts = {"steps": state.step, "seconds": state.seconds, "clips": count, "ended": ended}
        artifact.write_json(run_dir / FINISHED, facts | {"warnings": warnings})
    processes.wait_for_all()  # the project is unlocked when every process has finished
    return TrainResult(
        run=run,
        steps=state.step,
        seconds=state.seconds,
        clips=count,
        validation_error=state.best_error,
        best_step=state.best_step,
        checkpoint=run_dir / "best.safetensors",
        already_finished=bool(saved and saved["state"]["finished"]),
        ended=ended,
        raw_pose_error=state.raw_pose_error,
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
    """The training set with the features of its video frames.

    After a check that all can be computed, each process computes a share of the missing features.
    """
    clips = sorted({clip.video for clip in (*data.train, *data.validation)})
    processes.call_in_all(lambda: frames.check(clips))
    processes.call_in_all(lambda: frames.ensure(clips[processes.share]))
    return processes.call_in_all(lambda: load_training_set(project, config, frames.with_mirrored))


def _check_share(processes: Processes, pairs: int) -> None:
    """Raises UserError (exit 2) if a process would have no pair in a batch."""
    if processes.count > pairs:
        raise processes.report_once(
            UserError(
                f"{processes.count} processes cannot share batches of {pairs}",
                hint="start fewer processes, or raise train.batch_size (at most 8 pairs of each "
                "clip)",
            )
        )


def _prepare_folder(
    run_dir: Path, config: Config, recipe: artifact.Recipe, overwrite: bool
) -> None:
    """Write the settings and the recipe of the run; with `overwrite`, remove the old run first.

    Raises UserError (exit 5) if the folder holds a run with another recipe, whose weights and
    metrics would mix with those of this run.
    """
    import tomli_w

    path = run_dir / "recipe.json"
    if overwrite:
        weights = ("last.safetensors", "best.safetensors")
        for name in ("resume.pt", "recipe.json", FINISHED, *weights):
            (run_dir / name).unlink(missing_ok=True)
    if path.exists():
        try:
            old = artifact.read_recipe(path)
        except artifact.ArtifactError as error:
            raise UserError(
                str(error),
                hint="choose another name with --run NAME, or replace the run with --overwrite",
                exit_code=ExitCode.UNREADABLE,
            ) from error
        if old.key != recipe.key:
            raise UserError(
                f"run '{run_dir.name}' was trained differently "
                f"({artifact.difference(old, recipe)})",
                hint="choose another name with --run NAME, or replace it with --overwrite",
                exit_code=ExitCode.MISMATCH,
            )
    artifact.write_text(run_dir / "config.toml", tomli_w.dumps(config.to_dict()))
    artifact.write_json(path, recipe.to_json())


def _note_few_clips(count: int, trained: int, config: Config, progress: Progress) -> None:
    """Before training, tell the user about small batches and few clips."""
    size = batch_size(config.train, trained)
    if size < config.train.batch_size:
        progress.note(
            f"batches of {size} instead of {config.train.batch_size} pairs: at most {MAX_PAIRS} "
            f"from each of the {trained} clips"
        )
    if count < FEW_CLIPS:
        progress.note(f"only {count} clips to learn from")


Outlook = Literal["impossible", "unlikely", "possible", "likely"]


def outlook(clips: int) -> tuple[Outlook, str]:
    """Whether training on this many clips is likely to help, and a sentence that says so."""
    if clips < 2:
        return "impossible", "training needs at least 2 clips with joints"
    if clips < FEW_CLIPS:
        said = f"only {clips} clips to learn from: training is unlikely to help"
        return "unlikely", f"{said}, and the clips can be aligned without it"
    if clips <= SMALL_SET:
        said = f"only {clips} clips to learn from: training may or may not help"
        return "possible", f"{said}; the verdict of the run says which, an evaluation measures it"
    said = f"{clips} clips are enough to learn from"
    return "likely", f"{said}; the verdict of the run says whether it is better than the base model"


def _warnings(count: int, state: LoopState) -> list[str]:
    """What the user must know before trusting the model, as sentences."""
    warnings = []
    if count < FEW_CLIPS:
        warnings.append(f"only {count} clips to learn from")
    if state.collapse:
        warnings.append(f"the embedding has collapsed: {state.collapse}")
    elif state.best_error > COLLAPSED:
        warnings.append(
            f"the embedding recovers synthetic warps with {state.best_error:.0f} % error, close to "
            "chance: its alignments cannot be trusted"
        )
    return warnings


def run_warnings(run_dir: Path) -> list[str]:
    """The warnings about a finished run; none if it has not finished."""
    found = artifact.read_document(run_dir / FINISHED).get("warnings", [])
    return [str(text) for text in found] if isinstance(found, list) else []
