"""Two recordings of one performance as an alignment: every frame of A meets what B shows at the
same time by their clocks, so that whatever shows an alignment shows them, too."""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.confidence import DOUBTFUL, Certainty
from la2ds_cli.alignment.consensus import Located, path_through
from la2ds_cli.alignment.pair import prepare_pair
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult, dense, overall_ratio
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.offset.lags import signals
from la2ds_cli.offset.pair import PairOffset
from la2ds_cli.offset.result import Clock
from la2ds_cli.offset.several import find_offsets

METHOD = "offset"


def align_recordings(
    project: Project, a: str, b: str, request: AlignRequest, progress: Progress
) -> AlignResult:
    """Align recording `b` to `a` by the clocks of both; notes say the lag, and what is not sure.

    The match has heights of the joints as features, which cameras on all sides see alike. Of the
    request, `config`, `device` and `same_only` count: without `same_only`, the lag that fits best
    is taken even if it is not one performance. Raises UserError as find_offsets does, and (exit 5)
    if no skeleton holds what both recordings show.
    """
    prepared = prepare_pair(project, a, b, request, progress)
    offsets = find_offsets(
        project, (a, b), force=not request.same_only, device=request.device, progress=progress
    )
    doubts = offsets.doubts()
    for sentence in (*offsets.lags(), *doubts):
        progress.note(sentence)
    (_, clock), (pair,) = offsets.placed[1], offsets.pairs  # one without a clock is refused
    reason = (
        f"as recordings of one performance: seconds of A plus {clock.offset:.4f} are seconds of B, "
        "and angles in the picture differ as the cameras do"
    )
    recorded = offsets.recordings[0].pose, offsets.recordings[1].pose
    heights_a, heights_b = (one.value[..., 1] for one in signals(*recorded, (a, b)))
    found, sure = by_clock(recorded, clock, pair)
    pose_a, pose_b = prepared.poses
    tempo = np.where(np.isnan(found.position), np.nan, 1 + (clock.drift or 0.0))
    alignment = dense(found, sure, prepared.poses, (heights_a, heights_b), "pose", METHOD)
    return AlignResult(
        a=prepared.clips[0],
        b=prepared.clips[1],
        pose_a=pose_a,
        pose_b=pose_b,
        alignment=alignment,
        features=(heights_a, heights_b),
        speed_ratio=tempo,
        overall_ratio=overall_ratio(found, pose_a.time, pose_b.time),
        run=request.run,
        reason="; ".join((reason, *doubts)),
        settings=request.settings,
    )


def by_clock(
    poses: tuple[PoseSequence, PoseSequence], clock: Clock, pair: PairOffset
) -> tuple[Located, Certainty]:
    """The match of A and B, and its certainty; the intervals hold the rivals of the lag, too.

    clock: of B. pair: the lag and its rivals.
    """
    time_a, time_b = poses[0].time, poses[1].time
    seconds = np.array([clock.seconds(moment) for moment in time_a.tolist()])
    edges = frame_edges(time_b, poses[1].fps)
    shown = (seconds >= edges[0]) & (seconds < edges[-1])
    lags = [0.0, *(one.lag - pair.best.lag for one in pair.rivals)]
    position, low, high = (
        np.where(shown, np.interp(seconds + away, time_b, np.arange(len(time_b))), np.nan)
        for away in (0.0, min(lags) - clock.within, max(lags) + clock.within)
    )
    sure = pair.best.probability if clock.sure else min(pair.best.probability, DOUBTFUL)
    certainty = Certainty(np.where(shown, sure, 0).astype(np.float32), low, high)
    return Located(path_through(position), position), certainty
