"""A performer: a jointed 3D body with random proportions, its kinematics and movement, and its
colours.

World frame: metres, z up, right-handed. A body with zero angles stands upright, faces +y, has its
right side at +x and lets its arms hang. Angles are in radians; left and right share one sign
convention (abduction is outward, flexion forward).
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.interpolate import PchipInterpolator

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray

COCO17 = get_skeleton("coco17")
SIDES = ("left", "right")
EXTRA: tuple[str, ...] = (
    "pelvis", "waist", "neck", "head", "left_hand", "right_hand", "left_heel", "right_heel",
    "left_toe", "right_toe",
)  # fmt: skip
POINTS = COCO17.joints + EXTRA
POINT = {name: index for index, name in enumerate(POINTS)}

SIDED = ("arm_flex", "arm_abduct", "arm_twist", "elbow", "hip_flex", "hip_abduct", "hip_twist",
          "knee", "ankle")  # fmt: skip
DEGREES_OF_FREEDOM: tuple[str, ...] = (
    "x", "y", "lift", "yaw", "pitch", "roll", "spine_flex", "spine_side", "spine_twist",
    "neck_nod", "neck_tilt", "neck_turn",
    *(f"{side}_{name}" for side in SIDES for name in SIDED),
)  # fmt: skip
DOF = {name: index for index, name in enumerate(DEGREES_OF_FREEDOM)}


@dataclass(frozen=True)
class Body:
    """Lengths and radii of one body in metres."""

    hip_half: float
    shoulder_half: float
    lower_spine: float
    upper_spine: float
    neck: float
    head_radius: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    foot: float
    girth: float  # multiplies every limb radius


def random_body(rng: np.random.Generator) -> Body:
    """Return a body of 1.5-1.95 m with standard segment ratios, each varied by about 5 %."""
    height = rng.uniform(1.5, 1.95)

    def part(ratio: float) -> float:
        return float(height * ratio * np.clip(rng.normal(1.0, 0.05), 0.87, 1.13))

    return Body(
        hip_half=part(0.055),
        shoulder_half=part(0.108),
        lower_spine=part(0.115),
        upper_spine=part(0.185),
        neck=part(0.05),
        head_radius=0.061 * height**0.5 * 1.33 * float(np.clip(rng.normal(1.0, 0.05), 0.9, 1.1)),
        upper_arm=part(0.172),
        forearm=part(0.150),
        hand=part(0.05),
        thigh=part(0.245),
        shin=part(0.240),
        foot=part(0.105),
        girth=float(height / 1.75 * rng.uniform(0.82, 1.3)),
    )


def pose_vector(**angle: float) -> FloatArray:
    """Return degrees of freedom (D,) with the named ones set (radians, metres) and others zero."""
    vector = np.zeros(len(DEGREES_OF_FREEDOM))
    for name, value in angle.items():
        vector[DOF[name]] = value
    return vector


def _rotation(axis: int, angle: FloatArray) -> FloatArray:
    """Return right-handed rotation matrices (..., 3, 3) about world axis 0, 1 or 2."""
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = cos
    matrix[..., second, first] = sin
    matrix[..., first, second] = -sin
    return matrix


def _about(axes: str, *angle: FloatArray) -> FloatArray:
    """Return the product of rotations about the named axes, leftmost outermost."""
    turns = [_rotation("xyz".index(axis), by) for axis, by in zip(axes, angle, strict=True)]
    return reduce(np.matmul, turns)


def forward_kinematics(body: Body, pose: FloatArray) -> FloatArray:
    """Return world positions (..., P, 3) in metres of ``POINTS`` for ``pose`` (..., D).

    The first 17 points are the COCO joints. The lowest point of the body rests on the floor z = 0,
    raised by the degree of freedom ``lift``.
    """
    dof = {name: pose[..., index] for name, index in DOF.items()}
    point: dict[str, FloatArray] = {"pelvis": np.zeros((*pose.shape[:-1], 3))}

    def put(name: str, start: str, frame: FloatArray, x: float, y: float, z: float) -> None:
        """Put a point at an offset from another, along the axes of a frame."""
        point[name] = point[start] + frame @ np.array([x, y, z])

    pelvis = _about("zxy", dof["yaw"], -dof["pitch"], dof["roll"])
    half = pelvis @ _about("xyz", -dof["spine_flex"] / 2, dof["spine_side"] / 2, dof["spine_twist"])
    chest = half @ _about("xy", -dof["spine_flex"] / 2, dof["spine_side"] / 2)
    head = chest @ _about("zxy", dof["neck_turn"], -dof["neck_nod"], dof["neck_tilt"])
    put("waist", "pelvis", half, 0, 0, body.lower_spine)
    put("neck", "waist", chest, 0, 0, body.upper_spine)
    radius = body.head_radius
    put("skull", "neck", chest, 0, 0.01, body.neck)
    put("head", "skull", head, 0, 0.02, 0.85 * radius)
    for name, (x, y, z) in HEAD_POINTS.items():
        put(name, "head", head, x * radius, y * radius, z * radius)
    for side, sign in (("left", -1), ("right", 1)):
        # Flexion is outermost, so that abduction is outward for raised arms and legs too.
        shoulder, hip = (
            frame
            @ _about(
                "xyz",
                dof[f"{side}_{limb}_flex"],
                -sign * dof[f"{side}_{limb}_abduct"],
                -sign * dof[f"{side}_{limb}_twist"],
            )
            for frame, limb in ((chest, "arm"), (pelvis, "hip"))
        )
        forearm = shoulder @ _about("x", dof[f"{side}_elbow"])
        shin = hip @ _about("x", -dof[f"{side}_knee"])
        foot = shin @ _about("x", dof[f"{side}_ankle"])
        put(f"{side}_shoulder", "neck", chest, sign * body.shoulder_half, 0, -0.02)
        put(f"{side}_elbow", f"{side}_shoulder", shoulder, 0, 0, -body.upper_arm)
        put(f"{side}_wrist", f"{side}_elbow", forearm, 0, 0, -body.forearm)
        put(f"{side}_hand", f"{side}_wrist", forearm, 0, 0, -body.hand)
        put(f"{side}_hip", "pelvis", pelvis, sign * body.hip_half, 0, 0)
        put(f"{side}_knee", f"{side}_hip", hip, 0, 0, -body.thigh)
        put(f"{side}_ankle", f"{side}_knee", shin, 0, 0, -body.shin)
        put(f"{side}_sole", f"{side}_ankle", foot, 0, 0, -0.055)
        put(f"{side}_heel", f"{side}_sole", foot, 0, -0.04, 0)
        put(f"{side}_toe", f"{side}_sole", foot, 0, body.foot, 0)
    world = np.stack([point[name] for name in POINTS], axis=-2)
    floor = world[..., 2].min(axis=-1, keepdims=True)
    world[..., 2] += dof["lift"][..., None] - floor + 0.02
    world[..., 0] += dof["x"][..., None]
    world[..., 1] += dof["y"][..., None]
    return world


HEAD_POINTS: dict[str, tuple[float, float, float]] = {
    "nose": (0.0, 1.08, -0.08),
    "left_eye": (-0.34, 0.90, 0.22),
    "right_eye": (0.34, 0.90, 0.22),
    "left_ear": (-0.98, -0.08, 0.02),
    "right_ear": (0.98, -0.08, 0.02),
}
"""Face joints in the head frame (x right, y forward, z up), in head radii from its centre."""


# --- the demo movement as a smooth function of phase ---------------------------------------------

PHASES: tuple[tuple[str, float], ...] = (
    ("stand", 0.0),
    ("squat", 0.12),
    ("rise", 0.36),
    ("wind-up", 0.58),
    ("throw", 0.74),
    ("recover", 0.86),
)
"""Named parts of the movement, each with the phase at which it starts."""


def _both(**angle: float) -> dict[str, float]:
    return {f"{side}_{name}": value for name, value in angle.items() for side in SIDES}


# fmt: off
_KEY_POSES: tuple[tuple[float, FloatArray], ...] = (
    (0.0, pose_vector(**_both(arm_abduct=0.15, elbow=0.15, hip_abduct=0.08))),
    (
        0.12,
        pose_vector(
            spine_flex=0.12, **_both(arm_abduct=0.2, arm_flex=0.35, elbow=0.35, hip_abduct=0.1)
        ),
    ),
    (
        0.36,  # deepest point of the squat, arms forward
        pose_vector(
            pitch=0.45,
            spine_flex=0.35,
            neck_nod=-0.5,
            **_both(arm_flex=2.1, arm_abduct=0.1, elbow=0.15, hip_flex=2.05, hip_abduct=0.4),
            **_both(knee=2.0, ankle=0.4),
        ),
    ),
    (
        0.58,  # upright, arms overhead
        pose_vector(
            spine_flex=-0.12,
            neck_nod=-0.2,
            **_both(arm_flex=2.95, arm_abduct=0.25, elbow=0.1, hip_abduct=0.12),
        ),
    ),
    (
        0.74,  # weight back, left knee up, right hand behind the head
        pose_vector(
            y=-0.05,
            pitch=-0.12,
            spine_twist=-0.55,
            neck_turn=0.5,
            left_arm_flex=1.5, left_arm_abduct=0.3, left_elbow=0.3,
            right_arm_flex=1.9, right_arm_abduct=1.3, right_elbow=1.6,
            left_hip_flex=1.45, left_knee=1.6, right_hip_flex=0.15, right_knee=0.25,
        ),
    ),
    (
        0.86,  # release: long step with the left leg, right arm forward
        pose_vector(
            y=0.35,
            pitch=0.25,
            spine_flex=0.15,
            spine_twist=0.35,
            neck_nod=-0.3,
            left_arm_flex=-0.4, left_arm_abduct=0.5, left_elbow=0.9,
            right_arm_flex=1.9, right_arm_abduct=0.2, right_elbow=0.15,
            left_hip_flex=1.15, left_knee=0.75, left_ankle=0.05,
            right_hip_flex=-0.55, right_knee=0.45, right_ankle=-0.5,
        ),
    ),
    (
        1.0,  # follow-through, right arm across the body
        pose_vector(
            y=0.55,
            pitch=0.1,
            spine_flex=0.2,
            spine_twist=0.3,
            left_arm_flex=0.1, left_arm_abduct=0.35, left_elbow=0.4,
            right_arm_flex=0.7, right_arm_abduct=-0.35, right_elbow=0.6,
            left_hip_flex=0.25, left_knee=0.3, right_hip_flex=0.1, right_knee=0.25,
        ),
    ),
)
# fmt: on


@dataclass(frozen=True)
class Style:
    """The style of a performer: ``gain`` (D,) multiplies and ``offset`` (D,) shifts angles."""

    gain: FloatArray
    offset: FloatArray


def random_style(rng: np.random.Generator) -> Style:
    """Return a random style: gains with a spread of 10 %, offsets of about 4 degrees."""
    count = len(DEGREES_OF_FREEDOM)
    offset = rng.normal(0.0, 0.07, count)
    offset[[DOF[name] for name in ("x", "y", "yaw", "lift")]] = (
        0  # the place is not part of the style
    )
    return Style(np.clip(rng.normal(1.0, 0.1, count), 0.75, 1.25), offset)


def movement(phase: FloatArray, style: Style) -> FloatArray:
    """Return poses (T, D) at ``phase`` (T,) in [0, 1]; continuous, with a continuous first
    derivative."""
    moments, poses = zip(*_KEY_POSES, strict=True)
    pose = PchipInterpolator(moments, np.stack(poses), axis=0)(np.asarray(phase, float))
    return np.asarray(pose) * style.gain + style.offset


def phase_name(phase: float) -> str:
    """Return the name of the part of the movement that contains ``phase`` in [0, 1]."""
    return [name for name, start in PHASES if start <= phase][-1]


# --- clothes, colours and light --------------------------------------------------------------

Colour = tuple[float, ...]  # red, green, blue

_SKIN = np.array(
    [(255, 219, 190), (236, 188, 150), (205, 150, 110), (160, 108, 74), (110, 72, 48), (75, 48, 34)]
)
_HAIR = np.array([(30, 24, 20), (70, 45, 28), (120, 82, 46), (205, 170, 105), (150, 150, 150)])


@dataclass(frozen=True)
class Appearance:
    """Colours (RGB, 0-255) of one person, and the light on them."""

    skin: Colour
    hair: Colour
    shirt: Colour
    emblem: Colour
    sleeves: Colour  # from the elbow on
    trousers: Colour
    legs: Colour  # from the knee on
    shoes: Colour
    light: tuple[float, float]  # direction in the image from which light comes, length <= 1
    contrast: float  # 0: flat, 1: strong shading


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Return random clothes, skin, hair and light."""

    def between(palette: FloatArray) -> Colour:
        first, second = palette[rng.integers(len(palette), size=2)]
        return tuple((first + (second - first) * rng.random() + rng.normal(0, 6, 3)).tolist())

    skin, hair = between(_SKIN), between(_HAIR)
    shirt, emblem, trousers, shoes = rng.uniform(20, 240, (4, 3)).tolist()
    angle = rng.uniform(0, 2 * np.pi)
    return Appearance(
        skin,
        hair,
        shirt,
        emblem,
        shirt if rng.random() < 0.4 else skin,
        trousers,
        trousers if rng.random() < 0.6 else skin,
        shoes,
        light=(float(0.8 * np.cos(angle)), float(-abs(0.8 * np.sin(angle)))),
        contrast=float(rng.uniform(0.25, 0.8)),
    )
