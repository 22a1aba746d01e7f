"""The steps of la2ds as functions: extract, align, align_all, offset, train, embed, evaluate.

Each takes a project, does what the command of its name does, and returns a value. `align_joints`
aligns clips in memory, without a project. None of them changes what the process has only one of
(la2ds_cli/core/host.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from la2ds.project import Project
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config import load_config, override_texts
from la2ds_cli.core.host import unchanged_process
from la2ds_cli.evaluation.figures import Evaluated
from la2ds_cli.evaluation.trained import Trained, train_and_judge
from la2ds_cli.network.embedded import Embedded, embed_clips
from la2ds_cli.poses.extracted import Extracted, extract_videos
from la2ds_cli.training.losses import method_recipe

if TYPE_CHECKING:
    from la2ds_cli.alignment.alignment import Alignment
    from la2ds_cli.alignment.request import FeatureOption
    from la2ds_cli.core.types import FloatArray, PoseSequence
    from la2ds_cli.core.view import ViewName
    from la2ds_cli.offset.offset_result import Clock
    from la2ds_cli.views.results import Timeline


@unchanged_process()
def extract(
    project: Project,
    videos: str | Path | Sequence[str | Path],
    *,
    detector: str | None = None,
    pose: str | None = None,
    subject: str | None = None,
    clip_options: ClipOptions | None = None,
    overwrite: bool = False,
) -> Extracted:
    """Find the person and the joints in videos, as `la2ds extract-poses` does.

    videos: files, folders of videos or images, patterns such as `clips/*.mp4`, and manifests; one
    or several. Clips that are done already are left alone unless `overwrite`. A file that cannot be
    used does not stop the others: look at `items` of the result.

    detector, pose: names of networks, or model files. subject: whom to follow, `auto`, a
    number of a person in these clips alone. All but such a number are remembered in the project
    once a clip was extracted with them; None leaves them as they are. clip_options: which part of
    a file is read and how, such as `la2ds.ClipOptions(start=2.0, end=6.5, rotate=90)`, times in
    seconds.

    Raises UserError for what concerns all clips: an unknown network (exit 2), a missing model file
    (exit 3), weights or a device that are not there (exit 6), a full disk (exit 7), another
    command that writes to the project (exit 5).
    """
    from la2ds_cli.poses.extract import ExtractOptions

    paths = [videos] if isinstance(videos, str | Path) else videos
    number = subject if subject and subject.isdecimal() else ""
    chosen = {"detector": detector, "pose": pose, "subject": None if number else subject}
    given = clip_options.to_json() if clip_options else {}
    options = ExtractOptions(
        clip=given, subject=number, device=project._device, overwrite=overwrite
    )
    with project._step(writes=True) as progress:
        return extract_videos(
            project._stored, [str(path) for path in paths], chosen, options, progress
        )


@unchanged_process()
def align(
    project: Project,
    a: str | Path,
    b: str | Path,
    *,
    run: str = "default",
    features: FeatureOption = "auto",
    view: ViewName = "auto",
    settings: Mapping[str, Any] | None = None,
) -> Alignment:
    """Find which moment of clip `b` is which moment of clip `a`, as `la2ds align` does.

    a, b: video files, or names of clips of the project. They may differ in length and in frame
    rate: moments are compared in seconds. Poses and embeddings that are missing are computed first.
    No file of results is written; `save` writes them. Clips of different movements are
    aligned as well, with nothing sure (`same_movement`).

    features: `model` compares embeddings of `run`, `base` those of the base model, `pose` the
    joints; `auto` takes a run that was named or is better than the base model, and otherwise the
    base model. view: how B is compared: `filmed`, as the `mirrored` person, from the `other` side,
    `turned` to A's camera by its joints in metres, or `auto`, whichever is nearest. settings:
    values by `section.key` for this call, such as {"align.method": "linear"}.

    Raises UserError for an unknown method or setting (exit 2), a name that is neither a file nor a
    clip (exit 3), a clip without joints or a run without a model (exit 4), and clips of different
    skeletons (exit 5).
    """
    from la2ds_cli.alignment.project_aligner import align_clips
    from la2ds_cli.alignment.request import AlignRequest

    config = project._config(settings)
    request = AlignRequest(config, run, features, None, project._device, view=view)
    with project._step() as progress:
        return align_clips(project._stored, str(a), str(b), request, progress)


@unchanged_process()
def save(project: Project, alignment: Alignment, *files: str | Path) -> list[Path]:
    """Write pictures (.png, .svg, .pdf), tables (.csv, .json), the film of both clips in step
    (.mp4), and the page of both (.html) as `la2ds align --out` does.

    alignment: of clips of the project (`align`). files: where to; without them, a picture and a
    JSON file go to results/align of the project. Returns the paths. Raises UserError (exit 2) for
    another ending, for a file of the project, and for clips in memory.
    """
    from la2ds_cli.views.results import save_alignment

    return save_alignment(project._stored, alignment, [Path(file) for file in files])


@unchanged_process()
def offset(
    project: Project, *recordings: str | Path, drift: bool | None = None, force: bool = False
) -> dict[str, Clock]:
    """Find the lag between recordings of one performance, as `la2ds offset` does.

    Returns the clock of each recording that shows the performance, by the id of its clip: `offset`,
    seconds of the first plus this are seconds of the recording; `within`, seconds by which that may
    be off in nine cases of ten; `drift`, seconds that it gains in a second, None if that was not
    estimated; `sure`, whether it shows the performance, at no other lag; and `seconds(first)`, its
    seconds at seconds of the first.

    recordings: two or more video files, or names of clips of the project. drift: whether clocks may
    run at different rates, None = where 30 s overlap. force: return what fits best even if no two
    show one performance.

    Raises UserError as the command does, with exit code 10 for different performances.
    """
    from la2ds_cli.offset.find_offsets import find_offsets

    names = [str(one) for one in recordings]
    with project._step() as progress:
        stored, device = project._stored, project._device
        result = find_offsets(
            stored, names, drift=drift, force=force, device=device, progress=progress
        )
    return {one.clip.id: clock for one, clock in result.placed}


@unchanged_process()
def joints(
    xy: FloatArray, fps: float, skeleton: str = "coco17", score: FloatArray | None = None
) -> PoseSequence:
    """The joints of a clip in memory.

    xy: (T, K, 2) pixels, x to the right and y down, NaN = not seen. fps: frames per second.
    skeleton: name of the set of K joints, such as `coco17`, `mediapipe33` or `penn13`. score:
    (T, K) in [0, 1], None = 1 where a joint is seen.

    Raises UserError (exit 2) for an unknown skeleton, and ValueError for arrays that do not fit it.
    """
    from la2ds_cli.core.joints import make_pose

    return make_pose(xy, fps, skeleton, score)


@unchanged_process()
def align_joints(
    a: PoseSequence,
    b: PoseSequence,
    *,
    features: Literal["auto", "base", "pose"] = "auto",
    view: ViewName = "auto",
    settings: Mapping[str, Any] | None = None,
) -> Alignment:
    """Find which moment of clip `b` is which moment of clip `a`, by joints in memory (`joints`, or
    `Project.poses`), without a project.

    Both clips are aligned directly. features, view and settings are those of `align`.
    `save` needs a project. Raises UserError as `align` does.
    """
    from la2ds_cli.alignment.project_aligner import align_poses
    from la2ds_cli.alignment.request import AlignRequest

    config = load_config(overrides=override_texts(settings or {}))
    request = AlignRequest(config, features=features, view=view)
    return align_poses(a, b, request)


@unchanged_process()
def align_all(
    project: Project,
    clips: Sequence[str | Path] | None = None,
    *,
    reference: str | None = None,
    run: str = "default",
    features: FeatureOption = "auto",
    settings: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Timeline:
    """Put many clips of one movement on one timeline, as `la2ds timeline` does.

    clips: video files, or names of clips of the project, of any lengths and frame rates; None = all
    that have poses. reference: the clip whose clock the timeline is; None = the most typical. Clips
    that clearly show another movement are left out unless `force`. The time grows with the number
    of clips, not with their pairs. No file of results is written; `Timeline.save` writes them. The
    other arguments are those of `align`.

    Raises UserError for an unknown setting (exit 2), a name that is neither a file nor a clip (exit
    3), fewer than two clips (exit 4), clips whose skeletons share no joints (exit 5), and a
    reference whose movement no other clip shows (exit 10).
    """
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.alignment.timeline import align_all as place_all
    from la2ds_cli.alignment.timeline import clips_of
    from la2ds_cli.views.results import Timeline

    stored, config = project._stored, project._config(settings)
    request = AlignRequest(config, run, features, "dtw", project._device, same_only=not force)
    names = clips_of(stored) if clips is None else [str(clip) for clip in clips]
    with project._step() as progress:
        result = place_all(stored, names, request, reference=reference, progress=progress)
    return Timeline.of(result, stored)


@unchanged_process()
def train(
    project: Project,
    *,
    run: str = "default",
    method: str | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    max_minutes: float | None = None,
    overwrite: bool = False,
) -> Trained:
    """Train a network on the clips of the project, without labels, as `la2ds train` does.

    run: the name of the run. A run that was interrupted goes on; a finished one of the same
    settings and clips is left alone; one of other settings or clips is replaced only with
    `overwrite`. method: `la2ds`, or a competing method (docs/reference/methods.md). preset: one to
    use instead of the project's. settings: values by `section.key` for this run, such as
    {"train.steps": 4000, "model.width": 384}. max_minutes: the longest training.

    Raises UserError for an unknown name or value (exit 2), a project without usable clips (exit
    4), a run of other settings, or another command that writes to the project (exit 5), and a
    device that is not there (exit 6).
    """
    from la2ds_cli.training.train import TrainOptions

    options = TrainOptions(project._device, max_minutes, overwrite)
    preset, chosen = method_recipe(method, preset)
    with project._step(writes=True) as progress:
        config = project._config(settings, preset, chosen)
        return train_and_judge(project._stored, run, config, options, progress)


@unchanged_process()
def embed(
    project: Project, clips: Sequence[str] | None = None, *, run: str = "default"
) -> Embedded:
    """One vector for every frame of clips, from a trained run, as `la2ds embed` does.

    clips: names of those to embed; None = all that have poses. Embeddings that are current are read
    instead of computed.

    Raises UserError for a name that is no clip (exit 3), a run without a model or a project without
    poses (exit 4), and another command that writes to the project (exit 5).
    """

    chosen = None if clips is None else [project.clip(name).id for name in clips]
    with project._step(writes=True) as progress:
        return embed_clips(project._stored, run, chosen, project._device, progress)


@unchanged_process()
def evaluate(
    project: Project,
    runs: str | Sequence[str] = (),
    *,
    protocol: str = "la2ds",
    features: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Evaluated:
    """Measure how well runs align, beside what needs no training, as `la2ds evaluate` does.

    runs: one name, or several, of which the mean is taken. By default the run `default`; where it
    has no model, the baselines alone are measured. protocol: `la2ds`, `paper` or `casa`
    (docs/explanation/metrics.md). features: which of `model`, `raw_pose`, `raw_pose_best`,
    `time_only` and `untrained` to measure; None = all. settings: values by `section.key` for this
    call. Measured are the clips of the split `test`, or all where there is none. The files of
    results/evaluate are written.

    Raises UserError for an unknown name (exit 2), fewer than two usable clips, a run without a
    model or labels that the protocol needs (exit 4), and a run that was trained on the test clips
    (exit 5).
    """
    from la2ds_cli.evaluation.evaluate import Request
    from la2ds_cli.evaluation.evaluate import evaluate as evaluate_runs

    names = (runs,) if isinstance(runs, str) else tuple(runs)
    config = project._config(settings)
    request = Request(project._stored, config, names, protocol, features, project._device)
    with project._step() as progress:
        document = evaluate_runs(request, progress=progress).document
    return Evaluated(document)
