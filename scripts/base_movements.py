"""Random movements of random performers in front of random cameras, as joints with known moments.

train_base.py trains the base model on them; no data of others go in. A movement is a sequence of
key poses in the joint angles of the demo's performer (la2ds_cli.demo.performer), alone or repeated.
Every performer does it with a body, a tempo and a style of his own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.performer import (
    DOF,
    POINT,
    SIDED,
    SIDES,
    forward_kinematics,
    pose_vector,
    random_body,
)
from la2ds_cli.demo.render import look_at

SKELETON = "penn13"
FPS = 30.0
SIZE = (640, 480)
_JOINTS = [POINT[joint] for joint in get_skeleton(SKELETON).joints]
_HANDS = [POINT[f"{side}_hand"] for side in SIDES]
_LOW = pose_vector(  # limits of the joints, radians; those that are not named are free
    spine_flex=-0.5, spine_side=-0.7, spine_twist=-0.9, pitch=-1.7, neck_nod=-0.8,
    **{f"{side}_{name}": value for side in SIDES for name, value in {
        "arm_flex": -1.0, "arm_abduct": -0.6, "arm_twist": -1.3, "elbow": 0.0,
        "hip_flex": -0.7, "hip_abduct": -0.2, "hip_twist": -0.6, "knee": 0.0, "ankle": -0.6,
    }.items()},
)  # fmt: skip
_HIGH = pose_vector(
    spine_flex=1.1, spine_side=0.7, spine_twist=0.9, pitch=1.7, neck_nod=0.8,
    **{f"{side}_{name}": value for side in SIDES for name, value in {
        "arm_flex": 3.1, "arm_abduct": 2.7, "arm_twist": 1.3, "elbow": 2.5,
        "hip_flex": 2.2, "hip_abduct": 1.0, "hip_twist": 0.6, "knee": 2.4, "ankle": 0.6,
    }.items()},
)  # fmt: skip
# Degrees of freedom that change their sign in a mirror.
_DIRECTED = ("x", "yaw", "roll", "spine_side", "spine_twist", "neck_tilt", "neck_turn")
_LIMITED = (_LOW != 0) | (_HIGH != 0)


@dataclass(frozen=True)
class Movement:
    """What all performers of a movement share. keys: (N, D) joint angles; seconds: (N - 1,) from
    one key to the next; ease: (N - 1,) exponents of the time within a segment, above 1 = it begins
    slowly; rest: seconds before and after; hands: the hands stay in place, as on a bar."""

    keys: FloatArray
    seconds: FloatArray
    ease: FloatArray
    rest: tuple[float, float]
    hands: bool
    azimuth: float


@dataclass(frozen=True)
class Performance:
    """pose: joints of penn13 as an estimator would give them. moment: (T,) strictly increasing, the
    moment of the movement that each frame shows: equal moments of two performers correspond."""

    pose: PoseSequence
    moment: FloatArray


def performances(seed: int, number: int, performers: int = 2) -> list[Performance]:
    """Movement `number` of `seed`, by so many performers."""
    rng = np.random.default_rng([seed, number])
    movement = random_movement(rng)
    return [perform(movement, rng) for _ in range(performers)]


# --- movements -----------------------------------------------------------------------------------


def random_movement(rng: np.random.Generator) -> Movement:
    """One to five key poses that differ in one to four parts of the body, once or repeated."""
    stance, hands = _stance(rng)
    parts = [_PARTS[n] for n in rng.choice(len(_PARTS), rng.integers(1, 5), p=_SHARES)]
    if rng.random() < 0.25:  # to and fro: strides, jumping jacks, swings of both arms
        first = stance + sum(part(rng) for part in parts)
        second = _mirrored(first) if rng.random() < 0.5 else stance
        cycle = [first, second]
    else:
        cycle = [
            stance + sum(part(rng) for part in parts if rng.random() < 0.8)
            for _ in range(rng.integers(1, 6))
        ]
    repeats = int(rng.integers(2, 5)) if len(cycle) <= 3 and rng.random() < 0.4 else 1
    end = [stance] if rng.random() < 0.6 else []
    keys = np.array([stance, *cycle * repeats, *end])
    gaps = len(keys) - 1
    if repeats > 1:
        seconds = np.resize(np.exp(rng.normal(0, 0.5, len(cycle))), gaps)
    else:
        seconds = np.exp(rng.normal(0, 0.7, gaps))
    seconds *= rng.uniform(1.2, 5.0) / seconds.sum()
    ease = np.exp(rng.normal(0, 0.35, gaps))
    if rng.random() < 0.3:  # the centre travels
        drift = rng.normal(0, 0.6, 2) * np.linspace(0, 1, len(keys))[:, None]
        keys[:, [DOF["x"], DOF["y"]]] += drift
    rest = (float(rng.uniform(0, 0.6)), float(rng.uniform(0, 0.6)))
    return Movement(
        _within_limits(keys), seconds, ease, rest, hands, float(rng.uniform(-np.pi, np.pi))
    )


def _mirrored(pose: FloatArray) -> FloatArray:
    """The pose (..., D) seen in a mirror: sides swapped, directed angles negated."""
    mirrored = pose.copy()
    for name in _DIRECTED:
        mirrored[..., DOF[name]] *= -1
    for name in SIDED:
        left, right = DOF[f"left_{name}"], DOF[f"right_{name}"]
        mirrored[..., left], mirrored[..., right] = pose[..., right], pose[..., left]
    return mirrored


def _both(**angle: float) -> dict[str, float]:
    return {f"{side}_{name}": value for name, value in angle.items() for side in SIDES}


def _stance(rng: np.random.Generator) -> tuple[FloatArray, bool]:
    """The pose that a movement starts from, and whether the hands are held in place."""
    knee = abs(rng.normal(0, 0.15))
    pose = pose_vector(
        pitch=0.3 * knee,
        **_both(
            arm_abduct=rng.uniform(0.05, 0.3), arm_flex=rng.normal(0.1, 0.2),
            elbow=abs(rng.normal(0.2, 0.2)), hip_abduct=abs(rng.normal(0.08, 0.1)),
            hip_flex=0.5 * knee, knee=knee,
        ),
    )  # fmt: skip
    kind = rng.random()
    hands = False
    if kind < 0.12:  # hanging, or arms overhead
        pose += pose_vector(**_both(arm_flex=2.8, arm_abduct=0.2))
        hands = bool(rng.random() < 0.7)
    elif kind < 0.24:  # lying on the back or on the face, hands over or beside the chest
        pose += pose_vector(
            pitch=float(rng.choice([-1.5, 1.5])), **_both(arm_flex=rng.uniform(0.8, 1.7))
        )
        pose += pose_vector(**_both(knee=rng.uniform(0, 1.4), hip_flex=rng.uniform(0, 0.8)))
    elif kind < 0.36:  # bent over, hands together before the body
        pose += pose_vector(
            pitch=rng.uniform(0.2, 0.7), **_both(arm_flex=rng.uniform(0.4, 1.2), arm_abduct=-0.35)
        )
    elif kind < 0.44:  # seated or kneeling
        pose += pose_vector(**_both(hip_flex=1.4, knee=1.5))
    return pose, hands


def _squat(rng: np.random.Generator) -> FloatArray:
    depth = rng.uniform(0.2, 1.0)
    return depth * pose_vector(
        pitch=rng.uniform(0.2, 0.8),
        spine_flex=0.3,
        **_both(hip_flex=2.0, knee=2.1, ankle=0.4, hip_abduct=0.3),
    )


def _one_leg(rng: np.random.Generator) -> FloatArray:
    side = SIDES[rng.integers(2)]
    angle = {
        "hip_flex": rng.uniform(-0.6, 1.7), "hip_abduct": rng.uniform(-0.1, 0.7),
        "knee": rng.uniform(0, 2.0), "ankle": rng.normal(0, 0.2),
    }  # fmt: skip
    return pose_vector(**{f"{side}_{name}": value for name, value in angle.items()})


def _legs_apart(rng: np.random.Generator) -> FloatArray:
    return pose_vector(**_both(hip_abduct=rng.uniform(0.2, 0.7)))


def _stride(rng: np.random.Generator) -> FloatArray:
    size, sign = rng.uniform(0.3, 0.9), float(rng.choice([-1, 1]))
    front, back = SIDES if sign > 0 else SIDES[::-1]
    return size * pose_vector(
        **{
            f"{front}_hip_flex": 0.9, f"{front}_knee": rng.uniform(0.1, 1.2),
            f"{back}_hip_flex": -0.6, f"{back}_knee": rng.uniform(0.1, 1.2),
            f"{front}_arm_flex": -0.7, f"{back}_arm_flex": 0.8,
        }
    )  # fmt: skip


def _arm(rng: np.random.Generator) -> dict[str, float]:
    return {
        "arm_flex": rng.uniform(-0.8, 3.0),
        "arm_abduct": rng.uniform(-0.4, 1.6),
        "arm_twist": rng.normal(0, 0.4),
        "elbow": rng.uniform(0, 2.3),
    }


def _both_arms(rng: np.random.Generator) -> FloatArray:
    return pose_vector(**_both(**_arm(rng)))


def _arms_outward(rng: np.random.Generator) -> FloatArray:
    return pose_vector(**_both(arm_abduct=rng.uniform(0.5, 2.7)))


def _one_arm(rng: np.random.Generator) -> FloatArray:
    side = SIDES[rng.integers(2)]
    return pose_vector(**{f"{side}_{name}": value for name, value in _arm(rng).items()})


def _swing(rng: np.random.Generator) -> FloatArray:
    """Both hands to one side of the body, with the trunk turned, as with a club, bat or racket."""
    turn = rng.uniform(-1, 1)
    across, outward = SIDES if turn > 0 else SIDES[::-1]
    height = rng.uniform(0.2, 2.2)
    return pose_vector(
        spine_twist=0.8 * turn,
        yaw=0.6 * turn * rng.random(),
        spine_side=rng.normal(0, 0.15),
        neck_turn=-0.5 * turn,
        **{
            f"{across}_arm_flex": height, f"{across}_arm_abduct": -0.5 * abs(turn),
            f"{outward}_arm_flex": height, f"{outward}_arm_abduct": 0.9 * abs(turn),
            f"{outward}_elbow": rng.uniform(0, 1.4), f"{across}_elbow": rng.uniform(0, 0.5),
        },
    )  # fmt: skip


def _trunk(rng: np.random.Generator) -> FloatArray:
    return pose_vector(
        pitch=rng.uniform(-0.2, 1.0),
        spine_flex=rng.uniform(-0.3, 0.8),
        spine_side=rng.normal(0, 0.25),
        spine_twist=rng.normal(0, 0.35),
        neck_nod=rng.normal(0, 0.25),
    )


def _jump(rng: np.random.Generator) -> FloatArray:
    return pose_vector(lift=rng.uniform(0.1, 0.5), **_both(ankle=-0.4))


def _turn(rng: np.random.Generator) -> FloatArray:
    return pose_vector(yaw=rng.normal(0, 0.8), x=rng.normal(0, 0.3), y=rng.normal(0, 0.3))


def _pull(rng: np.random.Generator) -> FloatArray:
    """Elbows bent and upper arms lowered, as in a pull-up or a press."""
    depth = rng.uniform(0.4, 1.0)
    return depth * pose_vector(**_both(elbow=2.2, arm_flex=-1.6, arm_abduct=0.4))


_PARTS = (
    _squat, _one_leg, _legs_apart, _stride, _both_arms, _arms_outward, _one_arm, _swing, _trunk,
    _jump, _turn, _pull,
)  # fmt: skip
_SHARES = np.array([14, 8, 6, 8, 12, 8, 10, 14, 8, 4, 4, 8]) / 104


def _within_limits(pose: FloatArray) -> FloatArray:
    return np.where(_LIMITED, np.clip(pose, _LOW, _HIGH), pose)


# --- performers ----------------------------------------------------------------------------------


def perform(movement: Movement, rng: np.random.Generator) -> Performance:
    """One performer's way to do it, as a camera and a pose network see it."""
    keys = _own_style(movement.keys, rng)
    moment, time = _own_tempo(movement, rng)
    angles = _angles(keys, moment, rng)
    world = forward_kinematics(random_body(rng), angles)
    if movement.hands:
        world = world - world[:, _HANDS].mean(axis=1, keepdims=True) + [0.0, 0.0, 2.2]
    xy = _filmed(world, movement, rng)
    xy, score = _estimated(xy, rng)
    length = len(xy)
    pose = PoseSequence(
        xy, score, np.full((length, 4), np.nan), np.arange(length), time, FPS, SIZE, SKELETON
    )
    return Performance(pose, moment)


def _own_style(keys: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Key poses (N, D) that are larger or smaller in each angle, and a little different."""
    middle, spread = keys.mean(axis=0), keys.std(axis=0)
    size = np.exp(rng.normal(0, 0.15, len(middle)))
    own = middle + size * (keys - middle)
    own += 0.2 * spread * rng.normal(size=keys.shape)
    constant = rng.normal(0, 0.08, len(middle))
    constant[[DOF["lift"], DOF["x"], DOF["y"]]] = 0
    own += constant
    own[:, DOF["lift"]] = np.maximum(own[:, DOF["lift"]], 0)
    return _within_limits(own)


def _own_tempo(movement: Movement, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Moments (T,) and seconds (T,) of the frames; the keys are the moments 0, 1, ..., N - 1."""
    gaps = len(movement.seconds)
    pace = np.exp(rng.normal(0, 0.25))
    seconds = pace * movement.seconds * np.exp(rng.normal(0, 0.3, gaps))
    rest = pace * np.array(movement.rest) * np.exp(rng.normal(0, 0.5, 2))
    spans = np.concatenate([rest[:1], seconds, rest[1:]]) + 0.05
    ease = np.concatenate([[1.0], movement.ease * np.exp(rng.normal(0, 0.15, gaps)), [1.0]])
    border = np.concatenate([[0.0], np.cumsum(spans)])
    time = np.arange(0.0, border[-1], 1 / FPS)
    segment = np.clip(np.searchsorted(border, time, side="right") - 1, 0, len(spans) - 1)
    part = np.clip((time - border[segment]) / spans[segment], 0, 1)
    moment = segment - 1 + part ** ease[segment]
    return np.maximum.accumulate(moment + 1e-6 * np.arange(len(moment))), time


def _angles(keys: FloatArray, moment: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Joint angles (T, D): every angle goes smoothly through its keys, a little early or late."""
    number = np.arange(len(keys))
    late = rng.normal(0, 0.06, keys.shape[1])
    angles = np.stack(
        [
            PchipInterpolator(number, angle)(np.clip(moment + lag, 0, number[-1]))
            for angle, lag in zip(keys.T, late, strict=True)
        ],
        axis=1,
    )
    sway = _slow_noise(angles.shape, rng)
    sway[:, DOF["lift"]] = 0
    return angles + 0.03 * sway


def _slow_noise(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """(T, D) noise of unit size that changes within about half a second."""
    knots = rng.normal(size=(shape[0] // 15 + 3, shape[1]))
    at = np.linspace(0, len(knots) - 1, shape[0])
    return PchipInterpolator(np.arange(len(knots)), knots)(at)


def _filmed(world: FloatArray, movement: Movement, rng: np.random.Generator) -> FloatArray:
    """Pixels (T, 13, 2): most cameras stand where others do, some anywhere; a few follow."""
    spread = rng.choice([0.25, 0.8, 3.0], p=[0.5, 0.35, 0.15])
    target = world.reshape(-1, 3).mean(axis=0)
    if rng.random() < 0.2:
        root = world[:, POINT["pelvis"]]
        world = world - ((root - root.mean(axis=0)) * [1.0, 1.0, 0.0])[:, None]
    camera = look_at(
        target,
        azimuth=movement.azimuth + rng.normal(0, spread),
        elevation=float(np.clip(rng.normal(0.1, 0.15), -0.3, 0.7)),
        distance=rng.uniform(4.0, 10.0),
        focal=600.0,
        size=SIZE,
        roll=rng.normal(0, 0.04),
    )
    joints = list(_JOINTS)
    if rng.random() < 0.4:
        joints[0] = POINT["nose"]  # stands for the head where a skeleton has none
    return camera.project(world[:, joints])


def _estimated(xy: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Joints (T, 13, 2) and scores (T, 13) with the errors of people who click and of networks:
    jitter, drift, gaps, outliers and exchanged sides."""
    size = np.linalg.norm(xy[:, [1, 2]] - xy[:, [7, 8]], axis=-1).mean()  # torso, pixels
    length, joints = xy.shape[:2]
    xy = xy + rng.uniform(0, 0.04) * size * rng.normal(size=xy.shape)
    drift = _slow_noise((length, 2 * joints), rng).reshape(xy.shape)
    xy = xy + rng.uniform(0, 0.06) * size * drift
    score = np.ones((length, joints))
    if rng.random() < 0.6:
        score = np.clip(rng.uniform(0.5, 1) + 0.1 * rng.normal(size=score.shape), 0.05, 1)
    if rng.random() < 0.3:
        flip = list(get_skeleton(SKELETON).flip)
        rows = slice(*_span(length, 0.2, rng))
        xy[rows, 5:] = xy[rows][:, flip][:, 5:]
    if rng.random() < 0.3:
        wrong = rng.random(score.shape) < 0.02
        xy[wrong] += 0.6 * size * rng.normal(size=(wrong.sum(), 2))
    for _ in range(rng.poisson(0.7)):
        rows = slice(*_span(length, 0.4, rng))
        hidden = rng.choice(joints, rng.integers(1, 4), replace=False)
        xy[rows, hidden], score[rows, hidden] = np.nan, 0
    if rng.random() < 0.1:  # a joint that is never seen
        hidden = int(rng.integers(joints))
        xy[:, hidden], score[:, hidden] = np.nan, 0
    return xy, score


def _span(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Start and stop of a span of at most this share of the frames."""
    count = int(rng.integers(1, max(2, round(share * length))))
    start = int(rng.integers(length - count + 1))
    return start, start + count
