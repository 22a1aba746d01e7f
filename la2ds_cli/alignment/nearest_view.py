"""The view in which clip B is nearest to clip A: as filmed, mirrored, from the other side, turned.

DTW matches any two clips, and with the camera on the other side it matches a left step with a right
one, half a stride too late. Every view of clip B is therefore aligned with A by the movement of the
joints, with closed ends, and the nearest is chosen. Another view than as filmed must be clearly
nearer (MARGIN). A view that is about as near as the chosen one (RIVAL) is a rival; where rivals
match other moments, it is unknown which is right.

The numbers were chosen on rendered performers from eight sides, walkers from 24 sides, golfers and
their mirror images, and training clips of Penn Action; docs/results/camera.md has the errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from la2ds_cli.alignment.clip_features import ClipFeatures, PosedClip
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.alignment.path import mean_pair_squared
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View, ViewName
from la2ds_cli.features.camera_views import possible_views

MARGIN: Mapping[View, float] = {"filmed": 1.0, "mirrored": 0.77, "other": 0.88, "turned": 0.8}
"""Share of the distance as filmed below which a view is taken instead."""
RIVAL = 1.3
"""Ratio of distances below which another view may be the right one: of 2,700 pairs of walkers whose
views match other moments, 1 in 1,000 of those beyond it was wrong, and 1 in 15 of those below."""
_CLOSED = AlignConfig(method="dtw", open_ends=False)

IN_WORDS: Mapping[View, str] = {
    "filmed": "as filmed",
    "mirrored": "as the mirrored person (left and right exchanged)",
    "other": "as seen from the other side",
    "turned": "turned to the camera of the other clip",
}


class ViewChoice(NamedTuple):
    """The nearest view, and rivals that are about as near, the nearest first."""

    view: View = "filmed"
    rivals: tuple[View, ...] = ()


def choose_view(
    a: PosedClip, b: PoseSequence, features: ClipFeatures, wanted: ViewName = "auto"
) -> ViewChoice:
    """Return the view of B that is nearest to A, or the wanted view.

    The nearest view is a rival of a wanted one that is clearly farther away.

    Parameters
    ----------
    a: clip A.
    b: joints of clip B.
    features: compute the movement of the clips.
    wanted: a view, or `auto` = the nearest.

    Raises
    ------
    UserError: exit 5 for a wanted view in which the clips cannot be compared.
    """
    if wanted == "auto":
        if a.pose.clip and a.pose.clip == b.clip:  # a clip, or parts of it, by one camera
            return ViewChoice()
        return choose_views(a, [b], features)[0]
    check_view(a.pose, b, wanted)
    nearest = choose_views(a, [b], features)[0]
    clearly_nearer = wanted not in (nearest.view, *nearest.rivals)
    return ViewChoice(wanted, (nearest.view,) if clearly_nearer else ())


def check_view(a: PoseSequence, b: PoseSequence, wanted: ViewName, name: str = "clip B") -> None:
    """Raise UserError (exit 5) for a view in which clip B, called `name`, cannot be compared."""
    if wanted != "auto" and wanted not in possible_views(b, a):
        raise Mismatch(
            f"{name} cannot be compared {IN_WORDS[wanted]}",
            hint="--view turned needs joints in metres in both clips; with align.joints 3d, only "
            "--view filmed and mirrored differ",
        )


def choose_views(
    a: PosedClip, clips: Sequence[PoseSequence], features: ClipFeatures
) -> list[ViewChoice]:
    """Return the view of each clip that is nearest to A."""
    movements: list[dict[View, FloatArray]] = [
        {
            view: features.movement(PosedClip(clip, view, a.pose))
            for view in possible_views(clip, a.pose)
        }
        for clip in clips
    ]
    return nearest_views(features.movement(a), movements)


def nearest_views(a: FloatArray, clips: Sequence[Mapping[View, FloatArray]]) -> list[ViewChoice]:
    """Return the view of each clip that is nearest to A, by the movement in each view.

    The ends are closed: with open ends the mean would favour the view that leaves out more frames.

    Parameters
    ----------
    a: (N, D) movement of A.
    clips: (M, D) movement of each clip in each of its views.
    """
    every = [value for views in clips for value in views.values()]
    paths = align_each(a, every, _CLOSED)
    distances = iter(
        mean_pair_squared(a, value, path) for value, path in zip(every, paths, strict=True)
    )
    return [_nearest({view: next(distances) for view in views}) for views in clips]


def _nearest(distance: Mapping[View, float]) -> ViewChoice:
    """Return the choice of view by the mean squared distances in the views."""
    weighed: dict[View, float] = {view: value / MARGIN[view] for view, value in distance.items()}
    order = sorted(weighed.items(), key=lambda item: item[1])  # stable: the first among equals
    best, least = order[0]
    return ViewChoice(best, tuple(view for view, value in order[1:] if value < RIVAL * least))


def unclear_view_sentence(name: str, view: View, rivals: Sequence[View]) -> str:
    """Return a sentence that names the possible views of a clip; empty without rivals.

    Parameters
    ----------
    name: of the clip.
    view: the chosen view.
    rivals: views in which other moments match.
    """
    if not rivals:
        return ""
    ways = [IN_WORDS[each] for each in (view, *rivals)]
    options = " or ".join(f"--view {each}" for each in (view, *rivals))
    return (
        f"no match is sure, since {name} may have to be compared {', '.join(ways[:-1])} or "
        f"{ways[-1]}: {options} says which"
    )
