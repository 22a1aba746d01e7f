"""The quality of a clip: facts measured only on its joints, and the verdict on them.

The verdict is computed from the facts whenever it is needed, so a limit changed here also applies
to clips extracted long ago. Missing facts (imported joints) cause no weakness.

A joint is seen if its score is above 0. Lengths are in torso lengths, which mean the same at every
resolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.arrays import runs_of
from la2ds_cli.core.artifact import readable
from la2ds_cli.core.batch import ItemResult, Status
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence
from la2ds_cli.poses.trust import doubts, shots

FACTS = (
    *("coverage", "mean_score", "longest_gap", "jitter"),
    *("crop_share", "person_height", "tilt", "turned", "doubts"),
)

UPRIGHT = 60.0  # degrees; bodies of clean clips lean by 21 at most, turned pictures by 63 up
_FASTEST = 30.0  # frames per second at which jitter is measured; faster clips are thinned
_NEIGHBOUR = 0.2  # seconds; frames further apart say nothing about each other
_GAUSS = 0.6745  # median of |x| for x ~ N(0, 1)
_LEAST_TORSO = 0.15  # of the person's height; shorter torsos are foreshortened, as in a bow
_BORDER = 0.01  # of the picture's longer side: nearer counts as at the border


def assess(pose: PoseSequence) -> dict[str, Any]:
    """Measure the facts about a clip, as JSON types; None if there is too little to measure.

    coverage: share of the frames with the subject (one seen joint or more).
    mean_score: mean score of the joints, over the frames with the subject.
    longest_gap: seconds of the longest stretch without the subject.
    jitter: standard deviation of the joints' noise from frame to frame, in torso lengths.
    crop_share: share of the frames with the subject in which the border of the picture cuts it off.
    person_height: median of the box's longer side, pixels.
    tilt: mean direction from the ankles to the shoulders, degrees from upright, in (-180, 180]; 90
        = head to the right in the picture.
    turned: the probability that the picture is rotated, rather than the person lying down; None if
        tilt is below UPRIGHT degrees, or the deciding joints are not seen.
    doubts: (limb, start, end) of each limb that is unreliable for a while, in seconds.

    Rows at which a new shot begins are read from pose.info["cut_rows"], if given.
    """
    skeleton = get_skeleton(pose.skeleton)
    finite = np.asarray(np.isfinite(pose.xy).all(axis=-1))
    seen = finite & (pose.score > 0)
    subject = np.asarray(seen.any(axis=1))
    box = _boxes(pose, seen)
    height = _median((box[:, 2:] - box[:, :2]).max(axis=1))
    torso = _torso_length(pose.xy, seen, skeleton, height)
    shot, _ = shots(pose)
    facts = {
        "coverage": _share(subject),
        "mean_score": float(pose.score[subject].mean()) if subject.any() else 0.0,
        "longest_gap": _longest_gap(subject, pose),
        "jitter": _jitter(pose, seen, shot, torso),
        "crop_share": _share(_cut_off(pose, finite, box, skeleton)[subject]),
        "person_height": height,
        "tilt": (tilt := _tilt(pose.xy, seen, skeleton)),
        "turned": turned_probability(pose, seen, tilt),
    }
    rounded = {
        name: round(value, 4) if value is not None and np.isfinite(value) else None
        for name, value in facts.items()
    }
    return rounded | {"doubts": doubts(pose)}


def clip_facts(project: StoredProject, video: str) -> dict[str, Any]:
    """Return the facts of a clip's poses; measured now if none were stored, as for imported joints.

    Raises UserError as StoredProject.read_pose does.
    """
    _, header = project.pose_header(video)
    with readable(project.pose_path(video)):
        width, height = header["size"]
        names = ("fps", "skeleton")
        about = {name: header[name] for name in names} | {"width": width, "height": height}
        info = dict(header["info"])
    if not set(FACTS) <= set(info):
        pose, _ = project.read_pose(video, with_corrections=False)
        info = {"frames": len(pose), **assess(pose), **info}
    return {**about, **info}


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if mask.size else 0.0


def _median(value: FloatArray) -> float | None:
    finite = value[np.isfinite(value)]
    return float(np.median(finite)) if len(finite) else None


def _boxes(pose: PoseSequence, seen: np.ndarray) -> FloatArray:
    """Return boxes (T, 4) float64, the joints' extent where there is no box; NaN without the
    subject."""
    shown = np.where(seen[..., None], pose.xy, np.nan).astype(np.float64)
    low = np.fmin.reduce(shown, axis=1)
    high = np.fmax.reduce(shown, axis=1)
    has_box = np.asarray(np.isfinite(pose.box).all(axis=1))
    box = np.where(has_box[:, None], pose.box, np.concatenate([low, high], axis=1))
    return np.where(seen.any(axis=1, keepdims=True), box, np.nan)


def _torso_length(
    xy: FloatArray, seen: np.ndarray, skeleton: Skeleton, height: float | None
) -> float | None:
    """Return the median distance from the hips to the shoulders, pixels."""
    a, b = np.array(skeleton.torso).T
    both = (seen[:, a] & seen[:, b]).all(axis=1)
    torso = (xy[both][:, a] - xy[both][:, b]).astype(np.float64).mean(axis=1)
    length = _median(np.linalg.norm(torso, axis=1))
    lengths = [value for value in (length, height and _LEAST_TORSO * height) if value]
    return max(lengths) if lengths else None


def _tilt(xy: FloatArray, seen: np.ndarray, skeleton: Skeleton) -> float | None:
    """Return the tilt, measured from the ankles to the shoulders, since the trunk of a standing
    person may lean at any angle."""
    ends = [f"{side}_{joint}" for joint in ("shoulder", "ankle") for side in ("left", "right")]
    if not set(ends) <= set(skeleton.joints):
        return None
    at = [skeleton.joints.index(joint) for joint in ends]
    joints = xy[seen[:, at].all(axis=1)][:, at].astype(np.float64)
    vector = joints[:, :2].mean(axis=1) - joints[:, 2:].mean(axis=1)
    length = np.linalg.norm(vector, axis=1)
    if not (length > 0).any():
        return None
    x, y = (vector[length > 0] / length[length > 0, None]).mean(axis=0)
    return float(np.degrees(np.arctan2(x, -y)))


def _longest_gap(subject: np.ndarray, pose: PoseSequence) -> float:
    """Return the longest time without the subject, seconds; a frame lasts until the next begins."""
    if not len(pose):
        return 0.0
    return max((pose.axis.duration_of(*run) for run in runs_of(~subject)), default=0.0)


def _jitter(
    pose: PoseSequence, seen: np.ndarray, shot: np.ndarray, torso: float | None
) -> float | None:
    """Measure noise by third differences, which are 0 for movement of constant acceleration.

    Four neighbouring samples are weighted by the third divided difference of their times, scaled to
    unit norm: white noise of deviation s then gives values of deviation s, at regular and irregular
    times. The median over time ignores rare errors and fast moments, the median over joints single
    bad joints. Clips with higher frame rates are thinned to about 30 per second; otherwise their
    smaller steps would make the same noise look different.
    """
    if not torso or len(pose) < 4:
        return None
    period = float(np.median(np.diff(pose.time)))
    step = max(1, round(1 / (_FASTEST * period)))
    quads = np.arange(max(len(pose) - 3 * step, 0))[:, None] + step * np.arange(4)
    near = (np.diff(pose.time[quads], axis=1) <= _NEIGHBOUR).all(axis=1)
    quads = quads[near & (shot[quads[:, 0]] == shot[quads[:, -1]])]
    time = pose.time[quads]
    weight = 1 / (time[:, :, None] - time[:, None, :] + np.eye(4)).prod(axis=2)
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    noise = []
    for k in range(seen.shape[1]):
        complete = seen[quads, k].all(axis=1)
        value = pose.xy[quads[complete], k].astype(np.float64) * weight[complete, :, None]
        noise.append(_median(np.abs(value.sum(axis=1)).ravel()))
    measured = [value for value in noise if value is not None]
    return float(np.median(measured)) / _GAUSS / torso if measured else None


def _cut_off(
    pose: PoseSequence, finite: np.ndarray, box: FloatArray, skeleton: Skeleton
) -> np.ndarray:
    """Return (T,) whether the box ends at the picture's border, and limbs too or are missing."""
    if not all(pose.size):
        return np.zeros(len(pose), bool)
    reach = _BORDER * max(pose.size)
    far = np.array(pose.size, np.float64) - 1 - reach
    limbs = sorted({k for chain in skeleton.chains.values() for k in chain})
    xy = pose.xy[:, limbs]
    with np.errstate(invalid="ignore"):
        sides = np.concatenate([box[:, :2] <= reach, box[:, 2:] >= far], axis=1)  # (T, 4)
        at_side = np.concatenate([xy <= reach, xy >= far], axis=2)  # (T, limbs, 4)
    ends = (at_side & finite[:, limbs, None]).any(axis=1) & sides
    missing = sides.any(axis=1) & ~finite[:, limbs].all(axis=1)
    return np.asarray(ends.any(axis=1) | missing)


# --- a rotated picture, or a person who lies down -----------------------------------------------
#
# A camera rotated by 90 degrees shows people who stand straight, move along their body, and are
# often seen from the front. An upright camera films people who lie down from their side: shoulders
# and hips are behind each other, arms reach across the body to the ground or up from it, and
# movement is up and down, across the body. Scores say little: networks that rotate their crop with
# the body score a rotated picture as high as an upright one.

# Log odds that the picture is turned, fitted to turned joints of eleven upright movements (Penn
# Action, people's golf, squats and pull-ups, yoga, rendered performers) and to people lying down:
# push-ups, bench presses, and rendered performers in nine exercises on the ground. With each
# movement left out in turn the area under the ROC curve is 0.98 (docs/results/real-footage.md).
_TURNED = -1.9
_PER_DEGREE = -0.125  # off 90: people stand straighter than they lie
_PER_WIDTH = 9.5  # torso lengths between the shoulders, and between the hips, across the body
_PER_HAND = -2.0  # torso lengths of the hands off the line of the shoulders, across the body
_PER_RISE = -1.3  # log of the shoulders' range across the body over that along it
_MOST_DEGREES, _MOST_WIDTH, _MOST_HAND, _LEAST_RANGE = 30.0, 0.8, 1.0, 0.1
_UPSIDE_DOWN = 135.0  # degrees; beyond, a turned picture or a handstand
_REACH = 0.5  # torso lengths of both hands beyond the shoulders, as of hands that carry the body
_DECIDING = ("shoulder", "hip", "ankle", "wrist")


def turned_probability(pose: PoseSequence, seen: BoolArray, tilt: float | None) -> float | None:
    """Return the probability that the picture is rotated, rather than the person lying down.

    If the body is upside down, the hands decide: the picture is rotated by 180 degrees, unless the
    arms reach beyond the head in most frames, as in a handstand or a pull-up: then 0.5.

    Parameters
    ----------
    pose
        The joints of the clip.
    seen
        (T, K) whether a joint is seen.
    tilt
        Degrees from upright; below UPRIGHT, or if the deciding joints are never seen, the
        probability is None.
    """
    skeleton = get_skeleton(pose.skeleton)
    names = [f"{side}_{joint}" for joint in _DECIDING for side in ("left", "right")]
    if tilt is None or abs(tilt) < UPRIGHT or not set(names) <= set(skeleton.joints):
        return None
    at = [skeleton.joints.index(name) for name in names]
    rows = seen[:, at].all(axis=1)
    if not rows.any():
        return None
    joints = np.asarray(pose.xy[rows][:, at], np.float64)
    shoulders, hips, ankles, wrists = (joints[:, 2 * n : 2 * n + 2] for n in range(len(_DECIDING)))
    torso = np.percentile(np.linalg.norm((shoulders - hips).mean(axis=1), axis=1), 80)
    if not torso > 0:
        return None
    along = np.array([np.sin(np.radians(tilt)), -np.cos(np.radians(tilt))]) / torso
    across = np.array([-along[1], along[0]])
    beyond = ((wrists - shoulders) @ along > _REACH).all(axis=1)
    if abs(tilt) > _UPSIDE_DOWN:
        return 0.5 if beyond.mean() > 0.5 else 0.95
    line = (shoulders - ankles.mean(axis=1, keepdims=True)).mean(axis=1)
    rise = (_spread(line @ across) + _LEAST_RANGE) / (_spread(line @ along) + _LEAST_RANGE)
    width = sum(np.median(np.abs(np.diff(pair @ across, axis=1))) for pair in (shoulders, hips))
    hand = abs(np.median((wrists - shoulders.mean(axis=1, keepdims=True)) @ across))
    odds = (
        _TURNED
        + _PER_DEGREE * min(abs(abs(tilt) - 90), _MOST_DEGREES)
        + _PER_WIDTH * min(float(width), _MOST_WIDTH)
        + _PER_HAND * min(float(hand), _MOST_HAND)
        + _PER_RISE * float(np.log(rise))
    )
    return float(1 / (1 + np.exp(-odds)))


def _spread(value: FloatArray) -> float:
    low, high = np.percentile(value, (5, 95))
    return float(high - low)


# --- the verdict: every weakness by code, the most serious first ----------------------------------

# The limits. "Clean" are the clips of real videos whose drawn joints look right (golf, yoga,
# squats; a small network that scores 0.52 AP on COCO) and hand-labelled joints of Penn Action.
_COVERAGE = 0.5  # below, the person is missing in most frames
_SCORE = 0.4  # clean clips score 0.67 to 0.84, people upside down 0.32 to 0.37
_CROP = 0.25  # clean clips 0.01 at most, clips cut at the thighs 0.6 to 1
_HEIGHT = 64.0  # pixels; networks look at 192 or more, so that smaller people are mostly blur
_JITTER = 0.03  # torso lengths, 1.5 cm; clean clips 0.016 at most, hand labels 0.025
_LOST = 1.5  # seconds without the person; the movement of interest may be missing
_TILTED = 45  # degrees; less is no quarter turn
_ROTATED = 0.85  # probability; turned pictures reach it in 62 to 100 % of the clips of a movement
_DOUBT = 0.25  # share of the clip in which a limb is unreliable; less hardly changes an alignment

_STRONGER = "use a stronger network (la2ds extract-poses --pose NAME), or film brighter"
_FILM = "cut the clip to the movement, or film with the whole body in the picture"


@dataclass(frozen=True)
class Weakness:
    """A reason to look at a clip: code (docs/reference/codes.md), a sentence, and what to do."""

    code: str
    message: str
    hint: str


def verdict(info: Mapping[str, Any]) -> tuple[Weakness, ...]:
    """Return the weaknesses of a clip, the most serious first; none if the clip is ok.

    info: the facts of a PoseSequence, from quality.assess and from the extraction (truncated,
    ambiguous, cuts). A wrong file or person comes before missing joints, these before wrong joints,
    and these before rough joints. A turned picture comes before its consequences.
    """
    return tuple(_weaknesses(info))


def item_result(path: str, video: str, info: Mapping[str, Any], *, cached: bool) -> ItemResult:
    """Return the result of a clip that has poses; `info` is that of its PoseSequence.

    The code is that of the most serious weakness; a clip that was already done is `cached` and
    keeps its code.
    """
    first = next(iter(verdict(info)), Weakness("", "", ""))
    status: Status = "cached" if cached else "degraded" if first.code else "ok"
    frames = int(info.get("frames", 0))
    return ItemResult(path, video, status, frames, first.code, first.message, first.hint)


def note_weakness(progress: Progress, name: str, info: Mapping[str, Any]) -> None:
    """Note the most serious weakness of a clip that a command is about to use, if it has one."""
    for first in verdict(info)[:1]:
        progress.note(f"{name}: {first.message} ({first.code}); {first.hint}")


def _weaknesses(info: Mapping[str, Any]) -> Iterator[Weakness]:
    def fact(name: str, absent: float = math.nan) -> float:
        """Return a fact, NaN if it is no number, as in a file that la2ds did not write: NaN exceeds
        no limit."""
        try:
            return float(info.get(name, absent))
        except (OverflowError, TypeError, ValueError):
            return math.nan

    frames, seconds, declared = fact("frames"), fact("seconds"), fact("seconds_declared")
    rate = frames / seconds if seconds > 0 else math.nan
    if info.get("truncated"):
        yield Weakness(
            "V003",
            f"decoded {frames:.0f} frames, {seconds:.1f} s of the {declared:.1f} s declared by the "
            "file",
            "the file is cut off or damaged; copy or export it again if the rest matters",
        )
    if frames > 2 and 0 < declared * rate < 1.5:
        yield Weakness(
            "V013",
            f"its {frames:.0f} frames all have the same time; the rate of the stream, {rate:.4g} "
            "frames per second, is used",
            "export the clip again with the times of its frames, if that rate is wrong",
        )
    if fact("turned") >= _ROTATED and _TILTED < abs(tilt := fact("tilt")) <= 180:
        # A clockwise turn by R adds R to the direction of the body; the picture is to show 0.
        turn = int(-round(tilt / 90) * 90 % 360)
        where = {90: "left", 180: "bottom", 270: "right"}[turn]
        # The option counts from the file, and comes before the mirror, which reverses turns.
        option = (fact("rotate", 0) + (-turn if info.get("mirror") else turn)) % 360
        yield Weakness(
            "V031",
            f"looks rotated: the head points to the {where} of the picture; extract-poses "
            f"--rotate {option:.0f} turns it",
            "run extract-poses with this option, or leave it as it is if the person lies down",
        )
    if info.get("ambiguous") and fact("persons", 1) <= 1:  # otherwise both are kept
        yield Weakness(
            "V021",
            f"ambiguous subject: another person fits nearly as well (margin {fact('margin'):.2f})",
            "look at the overlay; if it shows the wrong person, run extract-poses --subject 2",
        )
    coverage, gap = fact("coverage"), fact("longest_gap")
    seen = f"the subject is seen in {coverage:.0%} of the frames"
    if coverage < _COVERAGE:
        yield Weakness("V022", seen, _FILM)
    if fact("mean_score") < _SCORE and coverage > 0:  # V022 says that nothing is seen
        yield Weakness(
            "V024",
            f"the pose network hardly recognises the person (mean score {fact('mean_score'):.2f})",
            "look at the overlay; film nearer, in brighter light or with less in the way, or use a "
            "stronger network: la2ds extract-poses --pose NAME",
        )
    if (cut := fact("crop_share")) > _CROP:
        yield Weakness(
            "V025",
            f"the border of the picture cuts the subject off in {cut:.0%} of the frames",
            "film with the whole body in the picture; joints outside it are guesses",
        )
    if (height := fact("person_height")) < _HEIGHT:
        message = f"the person is {height:.0f} pixels tall, less than {_HEIGHT:.0f}"
        yield Weakness("V027", message, "film nearer or in a higher resolution")
    if (cuts := fact("cuts")) >= 1:
        message = f"the film has cuts; the subject was joined from {cuts + 1:.0f} pieces"
        yield Weakness("V023", message, "cut the clip to one view if the alignment jumps")
    if coverage >= _COVERAGE and gap >= _LOST:
        yield Weakness("V022", f"{seen}, but lost for {gap:.1f} s", _FILM)
    lasts = seconds if seconds > 0 else frames / (fact("fps") or math.nan)
    if message := doubtful_limbs(info.get("doubts"), lasts):
        hint = "its joints are hollow in the overlay; if they matter, film from where they show"
        yield Weakness("V033", message, hint)
    if (jitter := fact("jitter")) > _JITTER:
        message = f"the joints tremble by {jitter:.1%} of the torso from frame to frame"
        yield Weakness("V028", message, _STRONGER)


def doubtful_limbs(doubts: Any, seconds: float) -> str:
    """Return which limbs are unreliable for a large part of a clip, in words; empty if none is.

    Parameters
    ----------
    doubts
        Limbs and times, as in the facts of a clip.
    seconds
        Length of the clip.
    """
    spent: dict[str, float] = {}
    with suppress(TypeError, ValueError):  # such as facts that are no numbers
        for limb, start, end in doubts or []:
            spent[limb] = spent.get(limb, 0.0) + end - start
    limbs = sorted((k for k in spent if spent[k] >= _DOUBT * seconds), key=lambda k: -spent[k])
    if not limbs:
        return ""
    share = min(spent[limbs[0]] / seconds, 1)
    return f"{' and '.join(map(str, limbs))} doubtful for {share:.0%} of the clip"
