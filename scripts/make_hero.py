"""Make docs/gallery/in-step.gif: two people as they were filmed, and aligned by la2ds.

    python scripts/make_hero.py --out hero.gif            # performers of la2ds demo
    python scripts/make_hero.py m04.npz:m04_s03_e05 m04.npz:m04_s04_e05

The first line needs no data; the second makes the picture of the pages. Each clip is an array of a
NumPy file: joints in space (T, 13, 3) of penn13, z up, in any unit, 50 a second. Those of the pages
are side lunges of two people from UI-PRMD (Vakanski, Jun, Paul, Baker, Data 3(1):2, 2018; public
domain, ODC PDDL 1.0), with the head in the middle of its markers and the hips estimated from those
of the pelvis.

Above, both clips play at equal speed. Below, the first plays at the same speed, and the second
shows the moment that `la2ds.align_joints` finds for it, in the joints as the camera sees them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import la2ds
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import random_phase
from la2ds_cli.demo.performer import (
    POINT,
    forward_kinematics,
    movement,
    random_body,
    random_style,
)
from la2ds_cli.demo.render import capsule, circle, hull
from la2ds_cli.views.figure import letters

HERO = Path(__file__).parents[1] / "docs" / "gallery" / "in-step.gif"
JOINTS = get_skeleton("penn13").joints
J = {name: index for index, name in enumerate(JOINTS)}
SPACE_FPS = 50  # of the joints in space
FPS, HOLD = 20, 0.6  # frames per second of the animation; seconds that its end stands still
WIDE, HIGH, COLUMNS, HEADING, BAR = 900, 268, 3, 40, 26  # pixels: of all, a row, its parts
TORSO = 62  # pixels
FINE = 2  # pixels drawn for each pixel kept
COLOUR_COUNT = 96
SEE_THROUGH = 0.72  # how much the person in front covers
COLOURS = {"A": (0, 114, 178), "B": (213, 94, 0)}  # of Okabe and Ito's palette
PAPER, FLOOR, INK, PALE = (255, 255, 255), (226, 230, 235), (34, 40, 49), (206, 211, 218)
# Limb -> radii at both ends, in torso lengths.
LIMBS = {
    ("shoulder", "elbow"): (0.11, 0.085),
    ("elbow", "wrist"): (0.085, 0.055),
    ("hip", "knee"): (0.165, 0.11),
    ("knee", "ankle"): (0.11, 0.065),
}


@dataclass(frozen=True)
class Performer:
    """A clip of one person: joints (T, 13, 3) in torso lengths along the picture's axes, x to the
    right, y down, z away from the camera, the floor at y = 0; `pose` has them in pixels."""

    letter: str
    seen: FloatArray
    front: FloatArray  # (T, 3), a unit vector in which the hips face
    pose: PoseSequence

    @property
    def seconds(self) -> float:
        return float(self.pose.time[-1])

    def at(self, second: float) -> tuple[FloatArray, FloatArray]:
        """Joints and front at a second, between two frames as well; before and after the clip those
        of its ends."""
        row = float(np.interp(second, self.pose.time, np.arange(len(self.seen))))
        low = int(row)
        high, share = min(low + 1, len(self.seen) - 1), row - low
        mean = [(1 - share) * x[low] + share * x[high] for x in (self.seen, self.front)]
        return mean[0], mean[1]


def film(letter: str, joints: FloatArray, fps: float, azimuth: float, tilt: float) -> Performer:
    """A person as a camera sees it that stands `azimuth` degrees to the left of the front, and
    looks down by `tilt` degrees."""
    hips, shoulders = (
        [J[f"{side}_{name}"] for side in ("left", "right")] for name in ("hip", "shoulder")
    )
    torso = np.median(
        np.linalg.norm(joints[:, shoulders].mean(1) - joints[:, hips].mean(1), axis=1)
    )
    joints = (joints - joints[0, hips].mean(0) * [1, 1, 0]) / torso
    joints = joints - [0, 0, np.percentile(joints[..., 2].min(axis=1), 5)]
    across = np.median(joints[:, hips[0], :2] - joints[:, hips[1], :2], axis=0)
    cos, sin = across / np.linalg.norm(across)
    joints = joints @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])  # x: to the left hip
    turn, down = np.radians([azimuth, tilt])
    right = np.array([np.cos(turn), np.sin(turn), 0])
    away = np.array([-np.sin(turn) * np.cos(down), np.cos(turn) * np.cos(down), -np.sin(down)])
    camera = np.stack([right, -np.cross(right, away), away], axis=1)
    across = joints[:, hips[0]] - joints[:, hips[1]]
    front = np.cross(across, [0, 0, 1.0])
    front = -front / np.linalg.norm(front, axis=1, keepdims=True)
    seen = joints @ camera
    xy = seen[..., :2] * TORSO + [WIDE / COLUMNS / 2, HIGH]
    return Performer(letter, seen, front @ camera, la2ds.joints(xy, fps, "penn13"))


# --- performers -----------------------------------------------------------------------------------


def read_joints(name: str) -> FloatArray:
    """The array FILE.npz:NAME."""
    path, _, key = name.rpartition(":")
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays[key], float)


def rendered_joints(seed: int) -> FloatArray:
    """Joints of penn13 of a performer of la2ds demo, 30 a second."""
    rng = np.random.default_rng(seed)
    body, phase = random_body(rng), random_phase(rng)
    points = forward_kinematics(body, movement(phase, random_style(rng)))
    return points[:, [POINT["nose" if name == "head" else name] for name in JOINTS]]


# --- drawing --------------------------------------------------------------------------------------


def shade(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    """A colour nearer to black (share below 1) or to white."""
    to, by = (0, share) if share < 1 else (255, 2 - share)
    red, green, blue = (round(to + (value - to) * by) for value in colour)
    return red, green, blue


def draw_person(
    draw: ImageDraw.ImageDraw, performer: Performer, second: float, middle: float, floor: float
) -> None:
    """A person as it is at a second, its parts from the farthest to the nearest. middle, floor: in
    pixels."""
    joints, front = performer.at(second)
    colour = COLOURS[performer.letter]
    size = TORSO * FINE
    place = np.array([middle, floor]) * FINE
    xy = joints[:, :2] * size + place

    def fill(outline: FloatArray, fill: tuple[int, int, int]) -> None:
        points = [(float(x), float(y)) for x, y in outline]
        draw.polygon(points, fill=fill)
        draw.line([*points, points[0]], fill=shade(colour, 0.5), width=2 * FINE, joint="curve")

    parts: list[tuple[float, FloatArray, float]] = []  # depth, outline, shade
    for side in ("left", "right"):
        ankle = joints[J[f"{side}_ankle"]]
        toe, heel = ((ankle + by * front + [0, 0.06, 0])[:2] * size + place for by in (0.34, -0.04))
        parts.append((ankle[2] + 0.02, capsule(heel, 0.075 * size, toe, 0.06 * size), 0.8))
        for (start, end), (wide, narrow) in LIMBS.items():
            first, last = J[f"{side}_{start}"], J[f"{side}_{end}"]
            outline = capsule(xy[first], wide * size, xy[last], narrow * size)
            parts.append((float(joints[[first, last], 2].mean()), outline, 1.0))
        wrist = J[f"{side}_wrist"]
        parts.append((joints[wrist, 2] - 0.01, circle(xy[wrist], 0.08 * size), 1.35))
    corners = {"shoulder": 0.1, "hip": 0.15}
    trunk = [
        circle(xy[J[f"{side}_{name}"]], radius * size)
        for name, radius in corners.items()
        for side in ("left", "right")
    ]
    rows = [J[f"{side}_{name}"] for name in corners for side in ("left", "right")]
    depth = float(joints[rows, 2].mean())
    neck = xy[[J["left_shoulder"], J["right_shoulder"]]].mean(axis=0)
    parts.append((depth, capsule(neck, 0.1 * size, xy[J["head"]], 0.085 * size), 1.35))
    parts.append((depth - 0.01, hull(trunk), 1.12))
    parts.append((float(joints[J["head"], 2]) - 0.05, circle(xy[J["head"]], 0.21 * size), 1.35))
    for depth, outline, light in sorted(parts, key=lambda part: -part[0]):
        fill(outline, shade(colour, light * (0.88 if depth > 0.12 else 1)))


def draw_row(
    image: Image.Image,
    top: int,
    title: tuple[str, str],
    clips: tuple[Performer, Performer],
    seconds: tuple[float, float],
) -> None:
    """A heading, then both people, and one over the other, at their seconds."""
    draw = ImageDraw.Draw(image)
    name, about = title
    bold, plain = letters(19 * FINE, bold=True), letters(15 * FINE)
    draw.text((18 * FINE, (top + 10) * FINE), name, INK, bold)
    left = 18 * FINE + draw.textlength(name, bold) + 12 * FINE
    draw.text((left, (top + 13) * FINE), about, shade(INK, 1.35), plain)
    floor, column = top + HIGH - BAR - 10, WIDE / COLUMNS
    shown = [(clips[0],), (clips[1],), clips]
    at = {clip.letter: second for clip, second in zip(clips, seconds, strict=True)}
    for number, people in enumerate(shown):
        middle = (number + 0.5) * column
        box = (middle - 118, floor - 15, middle + 118, floor + 17)
        draw.ellipse([x * FINE for x in box], fill=FLOOR)
        for person in people:
            layer = image.copy()
            draw_person(ImageDraw.Draw(layer), person, at[person.letter], middle, floor)
            image.paste(Image.blend(image, layer, 1.0 if person is people[0] else SEE_THROUGH))
    about = "one over the other"
    middle = (COLUMNS - 0.5) * column * FINE
    draw.text((middle, (top + HIGH - 8) * FINE), about, shade(INK, 1.35), plain, anchor="mm")
    for number, clip in enumerate(clips):
        draw_time(draw, clip, at[clip.letter], number * column + 34, top + HIGH - 8, column - 68)


def draw_time(
    draw: ImageDraw.ImageDraw, clip: Performer, second: float, left: float, y: float, width: float
) -> None:
    """A bar for the whole clip, filled up to a second, between the clip's letter and the second."""
    second, colour, font = (
        min(second, clip.seconds),
        COLOURS[clip.letter],
        letters(15 * FINE, bold=True),
    )
    draw.text((left * FINE, y * FINE), clip.letter, colour, font, anchor="lm")
    end = (left + width) * FINE
    draw.text((end, y * FINE), f"{second:.1f} s", colour, font, anchor="rm")
    left, width = left + 24, width - 76
    for share, shown in ((1.0, PALE), (second / clip.seconds, colour)):
        box = (left, y - 3, left + max(width * share, 6), y + 3)
        draw.rounded_rectangle([x * FINE for x in box], 3 * FINE, fill=shown)


def frames(clips: tuple[Performer, Performer]) -> list[Image.Image]:
    """The pictures of the animation."""
    a, b = clips
    aligned = la2ds.align_joints(a.pose, b.pose)
    print(aligned.sentence)
    matched = aligned.matched_time
    known = ~np.isnan(matched)
    pictures = []
    last = max(a.seconds, b.seconds)
    for number in range(round((last + HOLD) * FPS)):
        second = min(number / FPS, last)
        moment = float(np.interp(second, a.pose.time[known], matched[known]))
        image = Image.new("RGB", (WIDE * FINE, 2 * HIGH * FINE + 2 * 12 * FINE), PAPER)
        draw = ImageDraw.Draw(image)
        filmed = "As filmed", "both play at the same speed, and fall out of step"
        draw_row(image, 0, filmed, clips, (second, second))
        draw.line([0, (HIGH + 12) * FINE, WIDE * FINE, (HIGH + 12) * FINE], FLOOR, FINE)
        found = "Aligned by la2ds", "B shows the moment that matches A's"
        draw_row(image, HIGH + 12, found, clips, (min(second, a.seconds), moment))
        size = image.width // FINE, image.height // FINE
        pictures.append(image.resize(size, Image.Resampling.BOX))
    return pictures


def write_gif(path: Path, pictures: list[Image.Image]) -> None:
    """An animation that starts again for ever, with one palette for all pictures."""
    sample = Image.new("RGB", (WIDE, 4 * pictures[0].height), PAPER)
    for place, picture in enumerate(pictures[:: -(-len(pictures) // 4)]):
        sample.paste(picture, (0, place * picture.height))
    palette = sample.quantize(COLOUR_COUNT, Image.Quantize.MEDIANCUT)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    flat[0].save(
        path, save_all=True, append_images=flat[1:], duration=1000 // FPS, loop=0, optimize=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="the animation of the start page")
    parser.add_argument("clips", nargs="*", help="two arrays FILE.npz:NAME")
    parser.add_argument("--azimuth", type=float, default=25.0, help="degrees from the front")
    parser.add_argument("--out", type=Path, default=HERO)
    options = parser.parse_args()
    if options.clips:
        joints, fps = [read_joints(name) for name in options.clips], SPACE_FPS
    else:
        joints, fps = [rendered_joints(seed) for seed in (3, 5)], 30
    a, b = (
        film(letter, clip, fps, options.azimuth, 8.0)
        for letter, clip in zip("AB", joints, strict=True)
    )
    write_gif(options.out, frames((a, b)))
    print(options.out, f"{options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
