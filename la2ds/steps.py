"""The steps of la2ds as functions: extract, train, embed, align, evaluate.

Each takes a project, does what the command of the same name does, and returns a value.
`align_joints` aligns clips in memory, without a project. None of them changes the state of the
process (la2ds_cli/core/host.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from la2ds.project import Project
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.clip_names import list_names
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

    A file that cannot be used does not stop the others: see `items` of the result. The project
    remembers `detector`, `pose` and `subject` once a clip has been extracted with them.

    Parameters
    ----------
    project: receives the clips.
    videos: one or several of: files, folders of videos or images, patterns such as `clips/*.mp4`,
        and manifests.
    detector, pose: names of networks, or model files; None = those of the project.
    subject: whom to follow: `auto`, or the number of a person, which holds for these clips only and
        is not remembered; None = as in the project.
    clip_options: which part of a file is read and how, such as
        `la2ds.ClipOptions(start=2.0, end=6.5, rotate=90)`, times in seconds.
    overwrite: extract clips again that are done already.

    Raises
    ------
    UserError: for errors that concern all clips: exit 2 for an unknown network, 3 for a missing
        model file, 5 if another command writes to the project, 6 if weights or the device are
        missing, 7 for a full disk.
    """
    chosen = {"detector": detector, "pose": pose, "subject": subject}
    stored, device = project._stored, project._device
    with project._step(writes=True) as progress:
        return extract_videos(stored, videos, chosen, clip_options, overwrite, device, progress)


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

    An interrupted run is continued. A finished run of the same settings and clips is left alone.

    Parameters
    ----------
    project: the clips' project.
    run: name of the run.
    method: `la2ds`, or a competing method (docs/reference/methods.md).
    preset: used instead of the project's.
    settings: values by `section.key` for this run, such as
        {"train.steps": 4000, "model.width": 384}.
    max_minutes: longest training time.
    overwrite: replace a run that has other settings or clips.

    Raises
    ------
    UserError: exit 2 for an unknown name or value, 4 for a project without usable clips, 5 for a
        run of other settings or if another command writes to the project, 6 if the device is
        missing.
    """
    from la2ds_cli.training.train import TrainOptions

    options = TrainOptions(project._device, max_minutes, overwrite)
    preset, chosen = method_recipe(method, preset)
    with project._step(writes=True) as progress:
        config = project._stored.config(preset=preset, overrides=chosen, values=settings)
        return train_and_judge(project._stored, run, config, options, progress)


@unchanged_process()
def embed(
    project: Project, clips: Sequence[str] | None = None, *, run: str = "default"
) -> Embedded:
    """Return a vector for every frame of clips by a trained run, as `la2ds embed` does.

    Embeddings that are current are read instead of computed.

    Parameters
    ----------
    project: the clips' project.
    clips: names of the clips; None = all that have poses.
    run: the trained run.

    Raises
    ------
    UserError: exit 3 for a name that is no clip, 4 for a run without a model or a project without
        poses, 5 if another command writes to the project.
    """
    chosen = None if clips is None else [project.clip(name).id for name in clips]
    with project._step(writes=True) as progress:
        return embed_clips(project._stored, run, chosen, project._device, progress)


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

    Missing poses and embeddings are computed first. No result file is written; `save` does that.
    Clips of different movements are aligned as well, but no match is sure (`same_movement`).

    Parameters
    ----------
    project: the clips' project.
    a, b: video files, or names of clips of the project. They may differ in length and in frame
        rate: moments are compared in seconds.
    run: the trained run whose model is used.
    features: `model` compares embeddings of `run`, `base` those of the base model, `pose` the
        joints; `auto` uses a run that was named or is better than the base model, otherwise the
        base model.
    view: how B is compared: `filmed`, as the `mirrored` person, from the `other` side, `turned` to
        A's camera by its joints in metres, or `auto`, whichever is nearest.
    settings: values by `section.key` for this call, such as {"align.method": "linear"}.

    Raises
    ------
    UserError: exit 2 for an unknown method or setting, 3 for a name that is neither a file nor a
        clip, 4 for a clip without joints or a run without a model, 5 for clips of different
        skeletons.
    """
    from la2ds_cli.alignment.aligned_repetitions import align_clips

    request = project._request(run, features, settings, view=view)
    with project._step() as progress:
        return align_clips(project._stored, str(a), str(b), request, progress)


@unchanged_process()
def save(project: Project, alignment: Alignment, *files: str | Path) -> list[Path]:
    """Write an alignment to files, as `la2ds align --out` does, and return their paths.

    Parameters
    ----------
    project: the clips' project.
    alignment: result of `align`.
    files: a picture (.png, .svg, .pdf), a table (.csv, .json), a film of both clips in step (.mp4)
        or a page with both (.html); none = a picture and a JSON file in results/align of the
        project.

    Raises
    ------
    UserError: exit 2 for another ending, for a file of the project, and for clips in memory.
    """
    from la2ds_cli.views.results import save_alignment

    return save_alignment(project._stored, alignment, [Path(file) for file in files])


@unchanged_process()
def joints(
    xy: FloatArray, fps: float, skeleton: str = "coco17", score: FloatArray | None = None
) -> PoseSequence:
    """Return the joints of a clip in memory.

    Parameters
    ----------
    xy: (T, K, 2) pixels, x to the right and y down; NaN = not seen.
    fps: frames per second.
    skeleton: name of the set of K joints, such as `coco17`, `mediapipe33` or `penn13`.
    score: (T, K) in [0, 1]; None = 1 where a joint is seen.

    Raises
    ------
    UserError: exit 5 for an unknown skeleton.
    ValueError: for arrays that do not fit the skeleton.
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

    The clips are aligned without reference clips. `save` needs a project. `features`, `view` and
    `settings` are those of `align`. Raises UserError as `align` does.
    """
    from la2ds_cli.alignment.project_aligner import align_poses
    from la2ds_cli.alignment.request import AlignRequest

    config = load_config(overrides=override_texts(settings or {}))
    request = AlignRequest(config, features=features, view=view)
    return align_poses(a, b, request)


@unchanged_process()
def evaluate(
    project: Project,
    runs: str | Sequence[str] = (),
    *,
    protocol: str = "la2ds",
    features: Sequence[str] | None = None,
    embeddings: str | Path | Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
) -> Evaluated:
    """Measure how well runs align, beside baselines that need no training, as `la2ds evaluate`
    does.

    It measures the clips of the split `test`, or all if there are none, and writes the files of
    results/evaluate.

    Parameters
    ----------
    project: the clips' project.
    runs: a name, or several, whose mean is reported. By default the run `default`; if it has no
        model, only the baselines are measured.
    protocol: `la2ds`, `paper` or `casa` (docs/explanation/metrics.md).
    features: which of `model`, `raw_pose`, `raw_pose_best`, `time_only` and `untrained` to measure;
        None = all.
    embeddings: a folder, or several, with the embeddings of another method: a .npy or .safetensors
        file for each clip, (frames, numbers). The method has the folder's name.
    settings: values by `section.key` for this call.

    Raises
    ------
    UserError: exit 2 for an unknown name, 3 for clips without embeddings, 4 for fewer than two
        usable clips, a run without a model, missing labels that the protocol needs or embeddings
        that are not numbers, 5 for a run that was trained on the test clips or embeddings of
        another number of frames.
    """
    from la2ds_cli.evaluation import evaluate as step

    stored, names = project._stored, tuple(list_names(runs))
    config, folders = stored.config(values=settings), [Path(f) for f in list_names(embeddings)]
    request = step.Request(stored, config, names, protocol, features, project._device, folders)
    with project._step() as progress:
        return Evaluated(step.evaluate(request, progress=progress).document)
