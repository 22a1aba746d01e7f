"""The state of a project: which artifacts are current, which are stale and why, and what to run
next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.result_names import clip_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.video_list import first_people
from la2ds_cli.evaluation.clips import check_disjoint
from la2ds_cli.features.heatmap_cache import heatmap_recipe
from la2ds_cli.network.embed import embedding_recipe
from la2ds_cli.network.load_network import run_frames
from la2ds_cli.network.run_weights import checkpoint_path, weights_key
from la2ds_cli.network.training_clips import training_videos
from la2ds_cli.poses.clip_state import ClipState, VideoState, read_clip_state
from la2ds_cli.poses.current import PoseRecipes
from la2ds_cli.training import checkpoint, clip_set
from la2ds_cli.training.checkpoint import FINISHED, load_resume
from la2ds_cli.training.clip_set import FEW_CLIPS
from la2ds_cli.video.media_files import is_image_folder, is_video_file

_NAMED = 12  # most files that a suggested command names; for more, it names their folders


@dataclass(frozen=True)
class StepStatus:
    """The artifacts of a step over all clips.

    stale: video id -> reason. command: updates them; empty if their videos are missing. run: for
    embeddings only.
    """

    step: str
    current: int
    stale: dict[str, str]
    missing: list[str]
    command: str
    run: str = ""


@dataclass(frozen=True)
class RunStatus:
    """A training run.

    validation_error: % of clip length, None before the first validation. stale: how its clips have
    changed since training, if they have. settings: how its settings differ from those of the
    project, if they do.
    """

    run: str
    step: int
    steps: int
    validation_error: float | None
    stale: str
    settings: str


@dataclass(frozen=True)
class ProjectStatus:
    """What `la2ds status` shows.

    next: the next command, empty if everything is up to date. gone: ids of clips whose video is
    missing. changed: ids of clips whose video has changed since their joints were extracted.
    unclear_labels: why names in phases.csv match no clip. split_problem: a message about a film in
    both training and test clips, if there is one.
    """

    project: Path
    preset: str
    videos: int
    splits: dict[str, int]
    labelled: int
    steps: list[StepStatus]
    runs: list[RunStatus]
    next: str = ""
    gone: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unclear_labels: list[str] = field(default_factory=list)
    split_problem: str = ""


def project_status(
    project: StoredProject, config: Config, *, stopped: bool = True
) -> ProjectStatus:
    """Compare every artifact with the recipe that its step would use now, without writing anything.

    Parameters
    ----------
    stopped: read the exact step at which unfinished runs stopped, which needs torch.
    """
    videos = project.videos()
    recipes = PoseRecipes(project, config.poses)
    poses = _Poses({video.id: read_clip_state(project, video, recipes) for video in videos})
    runs = [_run_status(project, config, run, poses, stopped) for run in project.runs()]
    steps = [_poses(project, videos, poses), _heatmaps(project, config, poses)]
    steps += [_embeddings(project, run, poses) for run in _readable(project, runs)]
    return ProjectStatus(
        project=project.root,
        preset=config.preset,
        videos=len(videos),
        splits=dict(sorted(Counter(video.split for video in videos).items())),
        labelled=len(project.phases(skip_unclear=True)),
        steps=steps,
        runs=runs,
        next=_next(steps, runs, project),
        gone=poses.whose_video("gone"),
        changed=poses.whose_video("changed"),
        unclear_labels=[
            f"{error.message}; {error.hint}"
            for error in project.clip_phases(skip_unclear=True).unclear.values()
        ],
        split_problem=_split_problem(project),
    )


def _split_problem(project: StoredProject) -> str:
    """Return a message if the split in videos.csv is wrong, else an empty text."""
    test = [video for video in project.videos() if video.split == "test"]
    try:
        check_disjoint(project, training_videos(project) if test else [], test)
    except Mismatch as error:
        return f"{error.message}; {error.hint}"
    return ""


@dataclass(frozen=True)
class _Poses:
    """The states of all clips by id, and the keys (with corrections) and skeletons of clips with
    readable poses."""

    states: dict[str, ClipState]

    @cached_property
    def keys(self) -> dict[str, str]:
        return {clip: state.key for clip, state in self.states.items() if state.key}

    @cached_property
    def skeletons(self) -> dict[str, str]:
        return {clip: state.skeleton for clip, state in self.states.items() if state.key}

    def whose_video(self, state: VideoState) -> list[str]:
        return [clip for clip, clip_state in self.states.items() if clip_state.video == state]


def _compare(step: str, reasons: dict[str, str | None], command: str, run: str = "") -> StepStatus:
    """Sort the results of artifact.staleness into current, stale and missing."""
    current = sum(reason is None for reason in reasons.values())
    stale = {v: r for v, r in reasons.items() if r not in (None, "missing")}
    missing = [v for v, r in reasons.items() if r == "missing"]
    return StepStatus(step, current, stale, missing, command, run)


def _poses(project: StoredProject, videos: list[Video], poses: _Poses) -> StepStatus:
    reasons = {clip: state.stale for clip, state in poses.states.items()}
    # A replaced video may already be another clip; then the old clip can only be removed.
    current = {project.source(v) for v in videos if poses.states[v.id].stale is None}
    waiting = [v for v in videos if reasons[v.id] is not None]
    stale = {
        path
        for path, state in ((project.source(v), poses.states[v.id]) for v in waiting)
        if state.video != "changed" or path not in current
    }
    existing = {path for path in stale if path.exists()}
    films = {path for path in existing if is_video_file(path) or is_image_folder(path)}
    files, step = films or existing, "import FORMAT" if existing and not films else "extract-poses"
    paths = sorted(map(str, files if len(files) <= _NAMED else {path.parent for path in files}))
    command = " ".join(["la2ds", step, *map(shlex.quote, paths)])
    return _compare("poses", reasons, command if existing or not waiting else "")


def _made_of(
    step: str,
    recipes: Mapping[str, Recipe],
    path: Callable[[str], Path],
    command: str,
    run: str = "",
) -> StepStatus:
    """Return the status of a step from the recipes that it would use now for each clip."""
    files = artifact.files_in(path("any").parent)
    reasons = {v: artifact.staleness(path(v), recipes[v]) for v in recipes if v in files}
    return _compare(step, {v: reasons.get(v, "missing") for v in recipes}, command, run)


def _heatmaps(project: StoredProject, config: Config, poses: _Poses) -> StepStatus:
    recipes = {v: heatmap_recipe(config.heatmap, key) for v, key in poses.keys.items()}
    return _made_of("heatmaps", recipes, project.heatmap_path, "la2ds lab cache-heatmaps")


def _readable(project: StoredProject, runs: Iterable[RunStatus]) -> Iterator[str]:
    """Yield the runs whose weights can embed clips."""
    for run in runs:
        with suppress(ArtifactError):
            artifact.read_header(checkpoint_path(project, run.run))
            yield run.run


def _embeddings(project: StoredProject, run: str, poses: _Poses) -> StepStatus:
    model, frames = weights_key(project, run), run_frames(project, run)
    recipes = {v: embedding_recipe(model, key, v, frames) for v, key in poses.keys.items()}
    path = partial(project.embedding_path, run)
    return _made_of("embeddings", recipes, path, f"la2ds embed --run {run}", run)


def _run_status(
    project: StoredProject, config: Config, run: str, poses: _Poses, stopped: bool
) -> RunStatus:
    folder = project.run_dir(run)
    made_from, stale, settings, reached, error = None, "", "", 0, None
    with suppress(ArtifactError):
        made_from = artifact.read_recipe(folder / "recipe.json")
        stale, settings = _drift(project, config, made_from, poses)
    if stopped and not (folder / FINISHED).exists():
        with suppress(ImportError, *artifact.FOREIGN):  # without torch, use the step of the weights
            saved = load_resume(folder / "resume.pt")
            reached = int(saved["state"]["step"]) if saved else 0
    for name in ("last", "best"):  # the error of the best step, but the step of the last one
        try:
            facts = artifact.read_header(folder / f"{name}.safetensors")[1]
            reached, error = max(reached, int(facts["step"])), facts["validation_error"]
        except (*artifact.FOREIGN, ArtifactError):
            continue
    steps = made_from.config.get("train.steps", 0) if made_from else 0
    return RunStatus(run, reached, steps, error, stale, settings)


def _drift(
    project: StoredProject, config: Config, made_from: Recipe, poses: _Poses
) -> tuple[str, str]:
    """Return how the clips and the settings of a run differ from those of a new run."""
    try:
        clips = _training_digest(project, config, poses)
    except UserError as error:
        return error.message, ""
    now = checkpoint.training_recipe(config, clips)
    other_clips = replace(made_from, inputs={**made_from.inputs, **now.inputs})
    other_settings = replace(now, inputs=made_from.inputs)
    difference = artifact.difference
    return difference(made_from, other_clips), difference(other_settings, made_from)


def _training_digest(project: StoredProject, config: Config, poses: _Poses) -> str:
    """Return the digest of the clips that training would use now; raise UserError as
    load_training_set does."""
    if config.model.input == "joints3d":  # whether joints are in 3D is known only from the data
        from la2ds_cli.training.data import load_training_set

        return load_training_set(project, config).digest
    clips = [video.id for video in training_videos(project)]
    for clip in clips:
        if clip not in poses.keys:
            project.read_pose(clip)  # raises an error with the reason
    clip_set.training_skeleton([poses.skeletons[clip] for clip in clips])
    return clip_set.clips_digest({clip: poses.keys[clip] for clip in clips})


def _next(steps: list[StepStatus], runs: list[RunStatus], project: StoredProject) -> str:
    """Return the command for the project's next step; empty if everything is up to date."""
    poses = next(step for step in steps if step.step == "poses")
    if not poses.current and not poses.stale:
        return "la2ds extract-poses YOUR-VIDEOS"
    if (poses.stale or poses.missing) and poses.command:
        return poses.command
    trained = list(_readable(project, runs))
    if not trained:
        return "la2ds train" if len(project.videos()) >= FEW_CLIPS else ""
    if not _evaluated(project, trained[0]):
        return f"la2ds evaluate --run {trained[0]}"
    return ""


def _evaluated(project: StoredProject, run: str) -> bool:
    """Return whether the run has been evaluated with its current weights."""
    path = project.results_dir("evaluate") / f"{run}.json"
    scored = artifact.read_document(path).get("weights")
    with suppress(FileNotFoundError):
        return isinstance(scored, dict) and scored.get(run) == weights_key(project, run)
    return False


def an_alignment(project: StoredProject) -> str:
    """Return a command that aligns two clips, preferably of the same folder."""
    videos = first_people(project.videos())
    same_folder = [v for v in videos if Path(v.path).parent == Path(videos[0].path).parent]
    pair = (same_folder if len(same_folder) > 1 else videos)[:2]
    names = [_typed_name(project, video) for video in pair] if len(pair) > 1 else ["A", "B"]
    return f"la2ds align {shlex.join(names)}"


def _typed_name(project: StoredProject, video: Video) -> str:
    """Return the shortest name by which commands find a clip."""
    name = clip_name(project.videos(), video)
    with suppress(UserError):  # several clips fit
        if project.find(name) == video:
            return name
    return video.id
