"""A performer: a jointed 3D body with random proportions, its kinematics and movement, clothes and
colours.

World frame: metres, z up, right-handed. A body with zero angles stands upright, faces +y, has its
right side at +x and lets its arms hang. Angles are in radians; left and right share one sign
convention (abduction is outward, flexion forward), so mirroring swaps sides and negates the few
angles that have a direction.
"""

from dataclasses import dataclass

import cv2
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

_SIDED = ("arm_flex", "arm_abduct", "arm_twist", "elbow", "hip_flex", "hip_abduct", "hip_twist",
          "knee", "ankle")  # fmt: skip
_LIMBS = ("shoulder", "wrist", "hand", "hip", "sole", "heel", "toe")
DEGREES_OF_FREEDOM: tuple[str, ...] = (
    "x", "y", "lift", "yaw", "pitch", "roll", "spine_flex", "spine_side", "spine_twist",
    "neck_nod", "neck_tilt", "neck_turn",
    *(f"{side}_{name}" for side in SIDES for name in _SIDED),
)  # fmt: skip
DOF = {name: index for index, name in enumerate(DEGREES_OF_FREEDOM)}
_DIRECTED = ("x", "yaw", "roll", "spine_side", "spine_twist", "neck_tilt", "neck_turn")


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
    """A body of 1.5-1.95 m with standard segment ratios, each varied by about 5 %."""
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
    """Degrees of freedom (D,): the named ones set (radians, metres), the others zero."""
    vector = np.zeros(len(DEGREES_OF_FREEDOM))
    for name, value in angle.items():
        vector[DOF[name]] = value
    return vector


def mirror_pose(pose: FloatArray) -> FloatArray:
    """The pose (..., D) seen in a mirror: sides swapped, directed angles negated."""
    mirrored = pose.copy()
    for name in _DIRECTED:
        mirrored[..., DOF[name]] *= -1
    for name in _SIDED:
        left, right = DOF[f"left_{name}"], DOF[f"right_{name}"]
        mirrored[..., left], mirrored[..., right] = pose[..., right], pose[..., left]
    return mirrored


def _rotation(axis: int, angle: FloatArray) -> FloatArray:
    """Right-handed rotation matrices (..., 3, 3) about world axis 0, 1 or 2."""
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = cos
    matrix[..., second, first] = sin
    matrix[..., first, second] = -sin
    return matrix


def _about(axes: str, *angle: FloatArray) -> FloatArray:
    """Product of rotations about the named axes, leftmost outermost."""
    matrix = _rotation("xyz".index(axes[0]), angle[0])
    for axis, value in zip(axes[1:], angle[1:], strict=True):
        matrix = matrix @ _rotation("xyz".index(axis), value)
    return matrix


def forward_kinematics(body: Body, pose: FloatArray) -> FloatArray:
    """World positions (..., P, 3) in metres of ``POINTS`` for ``pose`` (..., D).

    The first 17 points are the COCO joints. The lowest point of the body rests on the floor z = 0,
    raised by the degree of freedom ``lift``.
    """
    dof = {name: pose[..., index] for name, index in DOF.items()}
    point: dict[str, FloatArray] = {"pelvis": np.zeros((*pose.shape[:-1], 3))}

    def put(name: str, start: str, frame: FloatArray, x: float, y: float, z: float) -> None:
        """A point at an offset from another, along the axes of a frame."""
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
        at = {name: f"{side}_{name}" for name in (*_SIDED, *_LIMBS)}
        # Flexion is outermost, so that abduction is outward for raised arms and legs too.
        shoulder, hip = (
            frame
            @ _about(
                "xyz",
                dof[at[f"{limb}_flex"]],
                -sign * dof[at[f"{limb}_abduct"]],
                -sign * dof[at[f"{limb}_twist"]],
            )
            for frame, limb in ((chest, "arm"), (pelvis, "hip"))
        )
        forearm = shoulder @ _about("x", dof[at["elbow"]])
        shin = hip @ _about("x", -dof[at["knee"]])
        foot = shin @ _about("x", dof[at["ankle"]])
        put(at["shoulder"], "neck", chest, sign * body.shoulder_half, 0, -0.02)
        put(at["elbow"], at["shoulder"], shoulder, 0, 0, -body.upper_arm)
        put(at["wrist"], at["elbow"], forearm, 0, 0, -body.forearm)
        put(at["hand"], at["wrist"], forearm, 0, 0, -body.hand)
        put(at["hip"], "pelvis", pelvis, sign * body.hip_half, 0, 0)
        put(at["knee"], at["hip"], hip, 0, 0, -body.thigh)
        put(at["ankle"], at["knee"], shin, 0, 0, -body.shin)
        put(at["sole"], at["ankle"], foot, 0, 0, -0.055)
        put(at["heel"], at["sole"], foot, 0, -0.04, 0)
        put(at["toe"], at["sole"], foot, 0, body.foot, 0)
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
_KEY_PHASE = np.array([phase for phase, _ in _KEY_POSES])
_KEY_POSE = np.stack([pose for _, pose in _KEY_POSES])
_UNSTYLED = ("x", "y", "yaw", "lift")  # a performer's position is not part of the style


@dataclass(frozen=True)
class Style:
    """How one performer deviates: ``gain`` (D,) multiplies and ``offset`` (D,) shifts angles."""

    gain: FloatArray
    offset: FloatArray


def random_style(rng: np.random.Generator) -> Style:
    """A random style: gains with a spread of 10 %, offsets of about 4 degrees."""
    count = len(DEGREES_OF_FREEDOM)
    offset = rng.normal(0.0, 0.07, count)
    offset[[DOF[name] for name in _UNSTYLED]] = 0
    return Style(np.clip(rng.normal(1.0, 0.1, count), 0.75, 1.25), offset)


def movement(phase: FloatArray, style: Style) -> FloatArray:
    """Poses (T, D) at ``phase`` (T,) in [0, 1]; continuous, with a continuous first derivative."""
    pose = PchipInterpolator(_KEY_PHASE, _KEY_POSE, axis=0)(np.asarray(phase, float))
    return np.asarray(pose) * style.gain + style.offset


def phase_name(phase: float) -> str:
    """The name of the part of the movement that contains ``phase`` in [0, 1]."""
    starts = [start for _, start in PHASES]
    return PHASES[max(int(np.searchsorted(starts, phase, side="right")) - 1, 0)][0]


# --- clothes, colours and light --------------------------------------------------------------

Colour = tuple[float, float, float]

_SKIN = np.array(
    [(255, 219, 190), (236, 188, 150), (205, 150, 110), (160, 108, 74), (110, 72, 48), (75, 48, 34)]
)
_HAIR = np.array([(30, 24, 20), (70, 45, 28), (120, 82, 46), (205, 170, 105), (150, 150, 150)])


@dataclass(frozen=True)
class Appearance:
    """Clothes and colours (RGB, 0-255) of one person, and the light on them."""

    skin: Colour
    hair: Colour
    shirt: Colour
    emblem: Colour
    trousers: Colour
    shoes: Colour
    long_sleeves: bool
    long_trousers: bool
    long_hair: bool
    light: tuple[float, float]  # direction in the image from which light comes, length <= 1
    contrast: float  # 0: flat, 1: strong shading


def _random_colour(rng: np.random.Generator) -> Colour:
    hue, saturation, value = rng.uniform(0, 180), 255 * rng.uniform(0, 0.9), rng.uniform(30, 250)
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
    return (float(red), float(green), float(blue))


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Random clothes, skin, hair and light."""

    def between(palette: FloatArray) -> Colour:
        first, second = palette[rng.integers(len(palette), size=2)]
        red, green, blue = first + (second - first) * rng.random() + rng.normal(0, 6, 3)
        return (float(red), float(green), float(blue))

    shirt = _random_colour(rng)
    angle = rng.uniform(0, 2 * np.pi)
    return Appearance(
        skin=between(_SKIN),
        hair=between(_HAIR),
        shirt=shirt,
        emblem=_random_colour(rng),
        trousers=shirt if rng.random() < 0.1 else _random_colour(rng),
        shoes=_random_colour(rng),
        long_sleeves=bool(rng.random() < 0.4),
        long_trousers=bool(rng.random() < 0.6),
        long_hair=bool(rng.random() < 0.3),
        light=(float(0.8 * np.cos(angle)), float(-abs(0.8 * np.sin(angle)))),
        contrast=float(rng.uniform(0.25, 0.8)),
    )
