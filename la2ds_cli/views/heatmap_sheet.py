"""A sheet of cached heatmaps: one row per clip, with what the network sees of it at several
moments.

Drawn from the files that `cache-heatmaps` wrote, not from the joints, so the sheet also shows
what another program reads there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton, joint_side
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.heatmap_cache import read_facts, read_heatmaps
from la2ds_cli.views.figure import BLUE, RED, SUFFIXES, printable, render

MOST_CLIPS = 40
_MOMENTS = 8  # of each clip, evenly spread over it
_CELL = 1.35  # inches, a map
_LABEL = 1.9  # inches, what is written beside a row
_TITLE = 0.55
_GAP = 0.06
_DPI = 120
# Okabe and Ito's red for the left, blue for the right, black for the middle, grey for limbs.
_INKS = {"left": RED, "right": BLUE, "": "#000000"}
_LIMB = 0.35  # how dark a limb is drawn, so that the joints stand out


def write(project: Project, clips: Sequence[str], path: Path) -> None:
    """Write the sheet of the first MOST_CLIPS clips (ids); an existing file is replaced.

    Raises UserError if a clip has no cached heatmaps (exit 4) or damaged ones (exit 3), or if the
    file cannot be written (exit 7).
    """
    from matplotlib.figure import Figure

    shown = clips[:MOST_CLIPS]
    width = _LABEL + _MOMENTS * (_CELL + _GAP)
    height = _TITLE + len(shown) * (_CELL + _GAP)
    figure = Figure(figsize=(width, height), dpi=_DPI)
    sheet = figure.add_axes((0, 0, 1, 1))
    sheet.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    sheet.axis("off")
    sheet.text(_GAP, _TITLE / 2, _title(len(shown), len(clips)), va="center", fontsize=10)
    names = {video.id: video.name for video in project.videos()}
    for row, clip in enumerate(shown):
        top = _TITLE + row * (_CELL + _GAP)
        facts = read_facts(project, clip)
        skeleton = get_skeleton(facts["skeleton"])
        frames = np.unique(np.linspace(0, facts["frames"] - 1, _MOMENTS).round().astype(int))
        lines = [printable(names[clip], 24), f"{facts['frames']} frames"]
        lines += [f"{facts['size']} x {facts['size']} cells", f"{facts['channels']} maps"]
        sheet.text(_GAP, top + _CELL / 2, "\n".join(lines), va="center", fontsize=8)
        for column, frame in enumerate(frames):
            maps = read_heatmaps(project, clip, int(frame), int(frame) + 1)[0]
            left = _LABEL + column * (_CELL + _GAP)
            extent = (left, left + _CELL, top + _CELL, top)
            sheet.imshow(picture(maps, skeleton), extent=extent, interpolation="nearest")
            sheet.text(
                left + 0.04, top + 0.11, str(frame), va="center", fontsize=6, color="#777777"
            )
    # imshow fits the axes to its picture.
    sheet.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    artifact.write_bytes(path, render(figure, path.suffix.lower()[1:]))


def picture(maps: FloatArray, skeleton: Skeleton) -> FloatArray:
    """One frame's maps (C, H, W) in [0, 1] as an RGB picture (H, W, 3) in [0, 1] on white.

    Joints of the left side are red, of the right side blue, others black; limbs are grey. Where
    maps overlap, their inks multiply.
    """
    from matplotlib.colors import to_rgb

    joints, limbs = len(skeleton.joints), len(skeleton.limbs)
    # Maps of joints come first, those of limbs after them; either may be absent (config channels).
    first_limb = 0 if len(maps) == limbs != joints else joints
    image = np.ones((*maps.shape[1:], 3))
    for channel, one in enumerate(maps):
        is_joint = channel < first_limb
        ink = (
            np.array(to_rgb(_INKS[joint_side(skeleton.joints[channel])]))
            if is_joint
            else np.zeros(3)
        )
        strength = one[..., None] * (1.0 if is_joint else _LIMB)
        image *= 1 - strength * (1 - ink)
    return image


def _title(shown: int, clips: int) -> str:
    more = "" if shown == clips else f" of {clips}"
    joints = "Joints: left red, right blue, middle black; limbs grey. Frame numbers above"
    return f"Cached heatmaps of {shown}{more} clip{'s' * (clips != 1)}. {joints}"


__all__ = ["MOST_CLIPS", "SUFFIXES", "picture", "write"]
