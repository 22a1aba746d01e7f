"""How far the joints of a clip can be trusted: facts measured only on the joints, and the verdict
on them.

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

from la2ds_cli.core.batch import ItemResult, Status
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project, well_formed
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses.trust import doubts, shots

FACTS = (
    *("coverage", "mean_score", "longest_gap", "jitter"),
    *("crop_share", "person_height", "doubts"),
)

_FASTEST = 30.0  # frames per second at which jitter is measured; faster clips are thinned
_NEIGHBOUR = 0.2  # seconds; frames further apart say nothing about each other
_GAUSS = 0.6745  # median of |x| for x ~ N(0, 1)
_LEAST_TORSO = 0.15  # of the person's height: shorter when foreshortened, as in a bow to the camera
_BORDER = 0.01  # of the picture's longer side: this near to the border is at it


def assess(pose: PoseSequence) -> dict[str, Any]:
    """Facts about a clip, as JSON types; None if there is too little to measure.

    coverage: share of the frames with the subject (one seen joint or more).
    mean_score: mean score of the joints, over the frames with the subject.
    longest_gap: seconds of the longest stretch without the subject.
    jitter: standard deviation of the joints' noise from frame to frame, in torso lengths.
    crop_share: share of the frames with the subject in which the border of the picture cuts it off.
    person_height: median of the box's longer side, pixels.
    doubts: [limb, start, end] of each limb that is not to be trusted for a while, in seconds.

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
    }
    known = {name: value is not None and np.isfinite(value) for name, value in facts.items()}
    rounded = {name: round(value, 4) if known[name] else None for name, value in facts.items()}
    return rounded | {"doubts": doubts(pose)}


def clip_facts(project: Project, video: str) -> dict[str, Any]:
    """Facts of a clip's poses; measured here if none were stored, as for imported joints. Raises
    UserError as Project.read_pose does."""
    _, header = project.pose_header(video)
    with well_formed(project.pose_path(video)):
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
    known = value[np.isfinite(value)]
    return float(np.median(known)) if len(known) else None


def _boxes(pose: PoseSequence, seen: np.ndarray) -> FloatArray:
    """(T, 4) float64: the box, or the joints' extent without one; NaN without the subject."""
    shown = np.where(seen[..., None], pose.xy, np.nan).astype(np.float64)
    low = np.fmin.reduce(shown, axis=1)
    high = np.fmax.reduce(shown, axis=1)
    known = np.asarray(np.isfinite(pose.box).all(axis=1))
    box = np.where(known[:, None], pose.box, np.concatenate([low, high], axis=1))
    return np.where(seen.any(axis=1, keepdims=True), box, np.nan)


def _torso_length(
    xy: FloatArray, seen: np.ndarray, skeleton: Skeleton, height: float | None
) -> float | None:
    """Median distance from the hips to the shoulders, pixels."""
    a, b = np.array(skeleton.torso).T
    both = (seen[:, a] & seen[:, b]).all(axis=1)
    torso = (xy[both][:, a] - xy[both][:, b]).astype(np.float64).mean(axis=1)
    length = _median(np.linalg.norm(torso, axis=1))
    known = [value for value in (length, height and _LEAST_TORSO * height) if value]
    return max(known) if known else None


def _longest_gap(subject: np.ndarray, pose: PoseSequence) -> float:
    """A frame lasts until the next one begins."""
    if not len(pose):
        return 0.0
    lasts = np.diff(pose.time, append=pose.time[-1] + 1 / pose.fps)
    edges = np.flatnonzero(np.diff(~subject, prepend=False, append=False)).reshape(-1, 2)
    return max((float(lasts[start:stop].sum()) for start, stop in edges), default=0.0)


def _jitter(
    pose: PoseSequence, seen: np.ndarray, shot: np.ndarray, torso: float | None
) -> float | None:
    """Noise by third differences, which are 0 for movement of constant acceleration.

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
        known = seen[quads, k].all(axis=1)
        value = pose.xy[quads[known], k].astype(np.float64) * weight[known, :, None]
        noise.append(_median(np.abs(value.sum(axis=1)).ravel()))
    measured = [value for value in noise if value is not None]
    return float(np.median(measured)) / _GAUSS / torso if measured else None


def _cut_off(
    pose: PoseSequence, finite: np.ndarray, box: FloatArray, skeleton: Skeleton
) -> np.ndarray:
    """(T,) frames whose box ends at the picture's border where limbs are missing or also end."""
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


# --- the verdict: every weakness by code, the most serious first ----------------------------------

# The limits. "Clean" are the clips of real videos whose drawn joints look right (golf, yoga,
# squats; a small network that scores 0.52 AP on COCO) and hand-labelled joints of Penn Action.
_COVERAGE = 0.5  # less is more missing than there
_SCORE = 0.4  # clean clips score 0.67 to 0.84, people upside down 0.32 to 0.37
_CROP = 0.25  # clean clips 0.01 at most, clips cut at the thighs 0.6 to 1
_HEIGHT = 64.0  # pixels; networks look at 192 or more, so that smaller people are mostly blur
_JITTER = 0.03  # torso lengths, 1.5 cm; clean clips 0.016 at most, hand labels 0.025
_LOST = 1.5  # seconds without the person; a movement of interest is missing
_DOUBT = 0.25  # of the clip, that a limb is doubtful; less hardly changes an alignment

_FILM = "cut the clip to the movement, or film with the whole body in the picture"


@dataclass(frozen=True)
class Weakness:
    """A reason to look at a clip: code of docs/reference/codes.md, one sentence, and what to do."""

    code: str
    message: str
    hint: str


def verdict(info: Mapping[str, Any]) -> tuple[Weakness, ...]:
    """Every weakness by the facts in a PoseSequence's `info`, those of quality.assess and those of
    the extraction (truncated, ambiguous, cuts), none if the clip is ok.

    The most serious first: a wrong file or person before joints that are missing, those before
    joints that are wrong, and those before joints that are rough.
    """
    return tuple(_weaknesses(info))


def item_result(path: str, video: str, info: Mapping[str, Any], *, cached: bool) -> ItemResult:
    """Result of a clip that has poses; `info` is that of its PoseSequence.

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
        """A fact, NaN if it is no number, as in a file that la2ds did not write: no limit is
        exceeded by NaN."""
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
            f"its {frames:.0f} frames all have the time of one; they count as {rate:.4g} per "
            "second, the rate of the stream",
            "export the clip again with the times of its frames, if that is wrong",
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
            "stronger --pose",
        )
    if (cut := fact("crop_share")) > _CROP:
        yield Weakness(
            "V025",
            f"the border of the picture cuts the subject off in {cut:.0%} of the frames",
            "film with the whole body in the picture; joints outside it are guesses",
        )
    if (height := fact("person_height")) < _HEIGHT:
        told = f"the person is {height:.0f} pixels tall, less than {_HEIGHT:.0f}"
        yield Weakness("V027", told, "film nearer or in a higher resolution")
    if (cuts := fact("cuts")) >= 1:
        told = f"the film has cuts; the subject was joined from {cuts + 1:.0f} pieces"
        yield Weakness("V023", told, "cut the clip to one view if the alignment jumps")
    if coverage >= _COVERAGE and gap >= _LOST:
        yield Weakness("V022", f"{seen}, nobody is followed for {gap:.1f} s", _FILM)
    lasts = seconds if seconds > 0 else frames / (fact("fps") or math.nan)
    if told := _doubtful(info.get("doubts"), lasts):
        hint = "hollow in the overlay; if it matters, film from where it shows"
        yield Weakness("V033", told, hint)
    if (jitter := fact("jitter")) > _JITTER:
        told = f"the joints tremble by {jitter:.1%} of the torso from frame to frame"
        yield Weakness("V028", told, "use a stronger --pose, or film brighter")


def _doubtful(doubts: Any, seconds: float) -> str:
    """The limbs that are doubtful for a large part of the clip."""
    spent: dict[str, float] = {}
    with suppress(TypeError, ValueError):  # as facts that are no numbers
        for limb, start, end in doubts or []:
            spent[limb] = spent.get(limb, 0.0) + end - start
    told = sorted((k for k in spent if spent[k] >= _DOUBT * seconds), key=lambda k: -spent[k])
    if not told:
        return ""
    share = min(spent[told[0]] / seconds, 1)
    return f"{' and '.join(map(str, told))} doubtful for {share:.0%} of the clip"
