"""What can be read from aligned clips, as functions: one timeline, angles, differences, similar
frames, lags, phases of other clips.

Each takes a project, does what a command does, and returns a value, most of them with `to_frame()`.
None of them changes the state of the process (la2ds_cli/core/host.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds.project import Project
from la2ds_cli.core.clip_names import list_names
from la2ds_cli.core.host import unchanged_process

if TYPE_CHECKING:
    from la2ds_cli.alignment.request import FeatureOption
    from la2ds_cli.compare.compare_clips import CompareResult
    from la2ds_cli.core.view import ViewName
    from la2ds_cli.features.clip_quantities import ClipQuantities
    from la2ds_cli.labels.propagated import PropagationResult
    from la2ds_cli.offset.offset_result import Clock
    from la2ds_cli.retrieval.retrieve import RetrievalResult, SearchView
    from la2ds_cli.views.results import Timeline


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
    by: str = "",
    paired: bool = False,
    regress: bool = False,
) -> Timeline:
    """Put many clips of one movement on one timeline, as `la2ds timeline` does.

    The time grows with the number of clips, not with the number of pairs. No result file is
    written; `Timeline.save` does that.

    Parameters
    ----------
    project: the clips' project.
    clips: video files, or names of clips of the project, of any lengths and frame rates; None = all
        that have poses.
    reference: the clip whose clock the timeline uses; None = the most typical one.
    run, features, settings: as for `align`.
    force: include clips that clearly show another movement.
    by: column of videos.csv that divides the clips into groups; two groups are compared along the
        movement (`Timeline.clusters`). The clips of a performer (column `group`) in a group count
        once.
    paired: compare each performer with themselves.
    regress: the column holds numbers, such as ages; `clusters` finds what changes with them.

    Raises
    ------
    UserError: exit 2 for an unknown setting or column, 3 for a name that is neither a file nor a
        clip, 4 for fewer than two clips, 5 for clips whose skeletons share no joints, 10 if no
        other clip shows the movement of the reference.
    """
    from la2ds_cli.alignment.grouped_timeline import Grouping, align_groups
    from la2ds_cli.views.results import Timeline

    request = project._request(run, features, settings, method="dtw", same_only=not force)
    names, grouping = clips if clips is None else list_names(clips), Grouping(by, paired, regress)
    with project._step() as progress:
        result = align_groups(project._stored, names, request, grouping, reference, progress)
    return Timeline.of(result, project._stored)


@unchanged_process()
def angles(
    project: Project, clip: str | Path, *, settings: Mapping[str, Any] | None = None
) -> ClipQuantities:
    """Measure the joint angles and the posture of a clip in every frame.

    They are the quantities of `Timeline.curves` and of `compare`, over the clip's own time and not
    smoothed. Missing poses are extracted first.

    Parameters
    ----------
    project: the clip's project.
    clip: a video file, or the name of a clip of the project.
    settings: values by `section.key` for this call; {"align.joints": "3d"} measures clips that have
        joints in metres in space.

    Returns
    -------
    ClipQuantities: `values`, name -> (T,) float64: angles in degrees (180 = straight), such as
        `left_knee`; `trunk_lean` in degrees from the vertical; `stance_width`, `hip_height`,
        `left_hand_height`, `right_hand_height` and `head_height` in torso lengths. NaN where a
        joint is not seen or a limb points at the camera. `frame` (T,); `time` (T,) in seconds;
        `spatial`, whether they are measured in space; `to_frame()`, a row for each frame.

    Raises
    ------
    UserError: exit 2 for an unknown setting, 3 for a name that is neither a file nor a clip, 4 for
        a clip without joints.
    """
    from la2ds_cli.features.clip_quantities import measure_named

    stored, config = project._stored, project._stored.config(values=settings)
    with project._step() as progress:
        return measure_named(stored, str(clip), config, project._device, progress)


@unchanged_process()
def compare(
    project: Project,
    reference: str | Path,
    other: str | Path,
    *,
    run: str = "default",
    features: FeatureOption = "auto",
    view: ViewName = "auto",
    settings: Mapping[str, Any] | None = None,
    quantities: Sequence[str] = (),
    force: bool = False,
) -> CompareResult:
    """Find where and when clip `other` differs from clip `reference`, as `la2ds compare` does.

    No result file is written.

    Parameters
    ----------
    project: the clips' project.
    reference: the clip that shows how to do it: a video file, or the name of a clip of the project.
    other: the clip to compare with it, likewise, of any length and frame rate.
    run, features, view, settings: as for `align`.
    quantities: modules with quantities of your own (docs/how-to/extend.md), measured besides.
    force: compare clips that clearly show different movements.

    Returns
    -------
    CompareResult: `to_frame()`, a row for each difference; `no_findings`, why none can be reported,
        else empty; `tempo`, for each part of the movement, in seconds of both clips; `unjudged`,
        what could not be judged, in seconds; `key_positions`, named moments with the values of both
        clips; `notes`; `aligned`, the alignment; `to_json()`, what `la2ds compare --json` prints.

    Raises
    ------
    UserError: as `align`; exit 2 for a module without quantities, 10 for different movements.
    """
    from la2ds_cli.compare.compare_clips import compare as compare_clips
    from la2ds_cli.compare.measured_quantities import load_quantities

    request = project._request(run, features, settings, view=view, same_only=not force)
    pair, own = (str(reference), str(other)), load_quantities(quantities)
    with project._step() as progress:
        return compare_clips(project._stored, *pair, request, progress, quantities=own)


@unchanged_process()
def retrieve(
    project: Project,
    query: str | Path | tuple[str | Path, float],
    k: int = 7,
    *,
    per_video: int | None = None,
    min_gap: float | None = None,
    run: str = "default",
    features: FeatureOption = "auto",
    view: SearchView = "auto",
) -> RetrievalResult:
    """Find the frames of other clips that are most like frames of a clip, as `la2ds retrieve` does.

    All clips of the project are searched, except those that show the same moments of the same
    person. No result file is written.

    Parameters
    ----------
    project: the clips' project.
    query: a video file or the name of a clip, for five evenly spaced frames of it; or a pair of
        that and its seconds, for one frame.
    k: frames to find for each frame of the query.
    per_video: at most this many of one clip; None = all.
    min_gap: least seconds between two found frames of a clip; None = a tenth of the clip, 0.25 to
        1 s.
    run, features: as for `align`.
    view: how the query is compared: `filmed`, as the `mirrored` person, from the `other` side, or
        `auto`, for each clip whichever is nearest.

    Returns
    -------
    RetrievalResult: `to_frame()`, a row for each found frame, nearest first; `queries`, the same as
        objects; `agreement`, the share of found frames that have the phase of their query, None
        without phases; `left_out`, id of a clip -> why it was not searched.

    Raises
    ------
    UserError: exit 2 for a second outside the clip, an unknown name or a limit below its least
        value, 3 for a name that is neither a file nor a clip, 4 if no other clip can be searched.
    """
    from la2ds_cli.retrieval import retrieve as step
    from la2ds_cli.retrieval.frame_search import Limits

    asked, limits = step.name_query(query), Limits(k, per_video, min_gap)
    request = step.RetrievalRequest(asked, limits, features, run, view=view, device=project._device)
    with project._step() as progress:
        return step.retrieve(project._stored, request, progress)


@unchanged_process()
def transfer_labels(
    project: Project,
    sources: str | Sequence[str],
    targets: str | Path | Sequence[str | Path] = "all",
    *,
    run: str = "default",
    features: FeatureOption = "auto",
    settings: Mapping[str, Any] | None = None,
    write: bool = False,
    overwrite: bool = False,
) -> PropagationResult:
    """Propagate the phases of labelled clips to other clips, as `la2ds transfer-labels` does.

    Each labelled clip is aligned with each other clip; several labelled clips vote on every
    boundary. No result file is written.

    Parameters
    ----------
    project: the clips' project.
    sources: one or several clips with phases that a person set, or `labelled`, all of them.
    targets: one or several video files or names of clips, or `all`, all others of the project.
    run, features, settings: as for `align`.
    write: add the phases to phases.csv of the project, marked as propagated. Phases that a person
        set are kept, unfit ones are left out, and the old file is saved.
    overwrite: with `write`, replace phases that were propagated earlier, never those that a person
        set.

    Returns
    -------
    PropagationResult: `to_frame()`, a row for each phase; `boundaries()`, a row for each boundary
        with its 90 % interval in seconds, confidence and votes; `items`, the outcome for every
        clip, as in Extracted: a clip that cannot be used does not stop the others; `merged`, the
        ids of clips whose phases were `written`, `kept` and `withheld`, None without `write`.

    Raises
    ------
    UserError: exit 2 for an unknown name, 3 for a source that is no clip, 4 without labelled clips,
        5 for a source without phases, or if another command writes phases.csv.
    """
    from la2ds_cli.labels.propagate import propagate_labels
    from la2ds_cli.labels.propagated import write_phases

    request, stored = project._request(run, features, settings), project._stored
    names, others = list_names(sources), list_names(targets)
    with project._step() as progress:
        result = propagate_labels(stored, names, others, request, progress)
    return write_phases(stored, result, overwrite=overwrite) if write else result


@unchanged_process()
def offset(
    project: Project, *recordings: str | Path, drift: bool | None = None, force: bool = False
) -> dict[str, Clock]:
    """Find the lag between recordings of one performance, as `la2ds offset` does.

    Parameters
    ----------
    project: the clips' project.
    recordings: two or more video files, or names of clips of the project.
    drift: whether clocks may run at different rates; None = if 30 s overlap.
    force: return the best fit even if no two recordings show one performance.

    Returns
    -------
    dict: the clock of each recording that shows the performance, by the id of its clip. `offset` is
        added to seconds of the first recording to get seconds of this one; `within` contains its
        error, in seconds, in nine cases of ten; `drift` is what it gains, in seconds per second,
        None if not estimated; `sure`, whether it shows the performance, and at no other lag;
        `seconds(first)` converts seconds of the first recording.

    Raises
    ------
    UserError: as the command does; exit 10 for different performances.
    """
    from la2ds_cli.offset.find_offsets import find_offsets

    names, device = list_names(recordings), project._device
    with project._step() as progress:
        return find_offsets(
            project._stored, names, drift=drift, force=force, device=device, progress=progress
        ).clocks
