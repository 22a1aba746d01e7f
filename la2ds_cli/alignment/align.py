"""Align two clips: find which moment of clip B shows what each frame of clip A shows.

`align` is the function behind every alignment: of `la2ds align`, `timeline`, `compare`,
`transfer-labels` and `evaluate`, of the verdict on a run, of the studio and of Python. It takes
poses and returns a result, knows no project and no file, and reads from top to bottom:

1. reference clips of another movement are left out (same_movement.py);
2. B is seen in the view nearest to A (nearest_view.py);
3. both are matched, directly by a method (methods/) or by consensus through the reference clips
   (consensus.py);
4. every frame of A gets an interval and a confidence (confidence.py), lowered where other matches
   fit about as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.alignment import Alignment, overall_ratio
from la2ds_cli.alignment.anchors import anchored_frames
from la2ds_cli.alignment.clip_features import ClipFeatures, PosedClip
from la2ds_cli.alignment.confidence import compute_certainty, differs, narrow_where_sure
from la2ds_cli.alignment.consensus import FEWEST_REFERENCES, match_clips
from la2ds_cli.alignment.nearest_view import choose_view, choose_views
from la2ds_cli.alignment.path import pair_distance, speed_ratio
from la2ds_cli.alignment.repeated_match import matches_a_repetition_away
from la2ds_cli.alignment.same_movement import limit_certainty
from la2ds_cli.alignment.unlike_poses import limit_where_unlike
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import Unusable
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View, ViewName
from la2ds_cli.features.camera_views import possible_views
from la2ds_cli.features.resample import evenly_spaced

Anchors = Sequence[tuple[float, float]]
"""Seconds of A and of B that must match."""


def align(
    a: PoseSequence,
    b: PoseSequence,
    references: Sequence[PoseSequence],
    features: ClipFeatures,
    settings: AlignConfig,
    anchors: Anchors = (),
    view: ViewName = "auto",
) -> Alignment:
    """Align clip B to clip A.

    Parameters
    ----------
    a, b: joints of the clips, N and M frames, in one skeleton; parts of clips are clips, too.
    references: candidates for reference clips, in the same form as A. Clips that clearly show
        another movement are left out, and at most `settings.reference_clips` are used.
    features: per-frame features used to compare the clips; many pairs may share them.
    settings: of the alignment.
    anchors: seconds of A and of B that must match.
    view: in which B is compared; `auto` = the nearest to A.

    Returns
    -------
    Alignment: the match of every frame of A, its interval and confidence.

    Raises
    ------
    UserError: exit 2 for an unknown method and for impossible anchors; 4 for a clip in which no
        joint is seen; 5 for a view in which the clips cannot be compared.
    """
    check_joints_seen(a, a.clip or "clip A")
    check_joints_seen(b, b.clip or "clip B")
    clip_a = PosedClip(a)
    forced = anchored_frames(anchors, a, b)

    # which clips are compared, and in which view
    through, left_out = choose_references(clip_a, b, references, features, settings)
    choice = choose_view(clip_a, b, features, view)
    clip_b = PosedClip(b, choice.view, a)

    # the match
    values, axes = (features(clip_a), features(clip_b)), (a.axis, b.axis)
    match = match_clips(
        *values,
        settings,
        forced,
        [features(clip) for clip in through],
        None if forced else [features.paths(clip, through, settings) for clip in (clip_a, clip_b)],
        axes,
    )

    # how sure it is, given other matches that fit about as well
    rivals: dict[View, FloatArray] = {
        rival: match_clips(
            values[0], features(PosedClip(b, rival, a)), settings, forced, axes=axes
        ).position
        for rival in choice.rivals
    }
    others, by_movement = list(rivals.values()), None
    if features.kind != "pose":
        moved = features.movement(clip_a), features.movement(clip_b)
        by_movement = match_clips(*moved, settings, forced, axes=axes).position
        others.append(by_movement)
    repeated = [] if forced else matches_a_repetition_away(*values, b, settings)
    repeated = [other for other in repeated if differs(match.position, other.position, b.axis)]
    others += [other.position for other in repeated]
    unclear: list[View] = [
        rival for rival, other in rivals.items() if differs(match.position, other, b.axis)
    ]
    same = features.same_movement(clip_a, clip_b)
    certainty = compute_certainty(
        *values,
        match.position,
        poses=(a, b),
        others=others,
        by_movement=by_movement,
        same_movement=None if same is None else same.probability,
    )
    certainty = limit_where_unlike(certainty, (a, clip_b.seen()), match.position)
    certainty = limit_certainty(certainty, same, view_is_clear=not unclear)
    certainty = narrow_where_sure(certainty, match.position, b.axis)

    return Alignment(
        pose_a=a,
        pose_b=b,
        path=match.path,
        position=match.position,
        cost=pair_distance(*values, match.path),
        confidence=certainty.confidence,
        low=certainty.low,
        high=certainty.high,
        another_end=certainty.another_end,
        unlike=certainty.unlike,
        speed_ratio=speed_ratio(match.position, a.time, b.time),
        overall_ratio=overall_ratio(match, (a, b)),
        compared=values,
        features=features.kind,
        run=features.run,
        reason=features.reason,
        settings=settings,
        view=choice.view,
        unclear_views=tuple(unclear),
        repeats=repeated[-1].period if repeated else None,
        same_movement=same,
        anchors=tuple(anchors),
        references=len(through),
        references_left_out=left_out,
    )


def check_joints_seen(pose: PoseSequence, name: str) -> None:
    """Raise UserError (exit 4) for a clip, called `name`, in which no joint is ever seen."""
    if np.isnan(pose.xy).all():
        raise Unusable(
            f"no joint was seen in {name}",
            hint="la2ds extract-poses --overlay sheet.png draws what was seen; a stronger network "
            "(--pose) or a lower joint_threshold under [poses] in project.toml may see more",
        )


def choose_references(
    a: PosedClip,
    b: PoseSequence,
    candidates: Sequence[PoseSequence],
    features: ClipFeatures,
    settings: AlignConfig,
) -> tuple[list[PosedClip], int]:
    """Return the reference clips, each in the view nearest to A, and how many were left out.

    A candidate that clearly shows another movement than A, in every view, is left out. At first
    only as many are examined as are needed, then more if too few of them fit. There are none if B
    is the same clip as A, for methods other than DTW, and if fewer than FEWEST_REFERENCES fit.

    Parameters
    ----------
    a: clip A.
    b: joints of clip B.
    candidates: joints of possible reference clips, in the same form as A.
    features: used to compare the clips.
    settings: `reference_clips` of them are wanted.
    """
    wanted = settings.reference_clips
    same_clip = np.array_equal(a.pose.xy, b.xy, equal_nan=True)
    if not settings.uses_references or same_clip or len(candidates) < FEWEST_REFERENCES:
        return [], 0
    views = [replace(a, view=view, towards=a.pose) for view in possible_views(a.pose, a.pose)]

    def may_show(clip: PoseSequence) -> bool:
        """Return whether a clip may show the movement of A, by the first view that fits."""
        judged = (features.same_movement(view, PosedClip(clip)) for view in views)
        return any(same is None or not same.refused for same in judged)

    examined, fitting = list[PoseSequence](), list[PoseSequence]()
    for count in (wanted, 2 * wanted, len(candidates)):
        if len(fitting) < wanted:
            examined = evenly_spaced(candidates, count)
            fitting = [clip for clip in examined if may_show(clip)]
    left_out = len(examined) - len(fitting)
    chosen = evenly_spaced(fitting, wanted) if len(fitting) >= FEWEST_REFERENCES else []
    nearest = choose_views(a, chosen, features)
    pairs = zip(chosen, nearest, strict=True)
    return [PosedClip(clip, choice.view, a.pose) for clip, choice in pairs], left_out
