"""What a clip's facts mean for its use: every weakness by code, the most serious first.

A verdict is computed from the facts whenever it is needed, so a limit changed here also applies to
clips extracted long ago. Missing facts (imported joints) cause no weakness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from la2ds_cli.core.batch import ItemResult, Status
from la2ds_cli.core.progress import Progress
from la2ds_cli.poses.quality import UPRIGHT

# The limits. "Clean" are the clips of real videos whose drawn joints look right (golf, yoga,
# squats; a small network that scores 0.52 AP on COCO) and hand-labelled joints of Penn Action.
_COVERAGE = 0.5  # less is more missing than there
_SCORE = 0.4  # clean clips score 0.67 to 0.84, people upside down 0.32 to 0.37
_CROP = 0.25  # clean clips 0.01 at most, clips cut at the thighs 0.6 to 1
_HEIGHT = 64.0  # pixels; networks look at 192 or more, so that smaller people are mostly blur
_JITTER = 0.03  # torso lengths, 1.5 cm; clean clips 0.016 at most, hand labels 0.025
_SWAPS = 0.05  # of the frames; clean clips and hand labels 0 but for two of 0.03 and 0.047
_LOST = 1.5  # seconds without the person; a movement of interest is missing
_DOUBT = 0.25  # of the clip, that a limb is doubtful; less hardly changes an alignment
# Turned pictures reach the first in 62 to 100 % of the clips of a movement, lying people in none.
_SURELY_TURNED, _PERHAPS_TURNED = 0.85, 0.5
_TURNED_SCORE = 0.7  # clips turned by hand 0.32 to 0.72 of a small network


@dataclass(frozen=True)
class Weakness:
    """A reason to look at a clip: code of docs/exit-codes.md, one sentence, and what to do."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on a clip; code, message and hint are those of the most serious weakness, or
    empty if there is none. all: every weakness, in that order."""

    status: Literal["ok", "degraded"]
    code: str
    message: str
    hint: str
    all: tuple[Weakness, ...]

    @property
    def codes(self) -> list[str]:
        """The codes of every weakness."""
        return [weakness.code for weakness in self.all]


def verdict(info: Mapping[str, Any]) -> Verdict:
    """The verdict from the facts in a PoseSequence's `info`: those of quality.assess and those of
    the extraction (truncated, ambiguous, cuts)."""
    weaknesses = tuple(found for check in _CHECKS if (found := _found(check, info)) is not None)
    if not weaknesses:
        return Verdict("ok", "", "", "", ())
    first = weaknesses[0]
    return Verdict("degraded", first.code, first.message, first.hint, weaknesses)


def _found(
    check: Callable[[Mapping[str, Any]], Weakness | None], info: Mapping[str, Any]
) -> Weakness | None:
    """The finding of a check; none if the facts have other types, as in a file that la2ds did not
    write."""
    try:
        return check(info)
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def item_result(path: str, video: str, info: Mapping[str, Any], *, cached: bool) -> ItemResult:
    """Result of a clip that has poses; `info` is that of its PoseSequence.

    The code is that of the most serious weakness; a clip that was already done is `cached` and
    keeps its code.
    """
    judged = verdict(info)
    status: Status = "cached" if cached else judged.status
    frames = int(info.get("frames", 0))
    return ItemResult(
        path, video, status, frames, code=judged.code, message=judged.message, hint=judged.hint
    )


def note_weakness(progress: Progress, name: str, info: Mapping[str, Any]) -> None:
    """Note the most serious weakness of a clip that a command is about to use, if it has one."""
    judged = verdict(info)
    if judged.code:
        progress.note(f"{name}: {judged.message} ({judged.code}); {judged.hint}")


def _truncated(info: Mapping[str, Any]) -> Weakness | None:
    if not info.get("truncated"):
        return None
    return Weakness(
        "V003",
        f"decoded {info['frames']} frames, {info['seconds']:.1f} s of the "
        f"{info['seconds_declared']:.1f} s declared by the file",
        "the file is cut off or damaged; copy or export it again if the rest matters",
    )


def _rotated(info: Mapping[str, Any]) -> Weakness | None:
    probability = _number(info, "turned")
    if not _lies(info) or probability is None or probability < _SURELY_TURNED:
        return None
    return Weakness(
        "V031",
        f"looks rotated: the head points to the {_head(info)[0]} of the picture, and the body "
        "stands and moves like an upright one",
        f"try extract-poses --rotate {_head(info)[1]}; leave it as it is if the person lies down",
    )


def _perhaps_rotated(info: Mapping[str, Any]) -> Weakness | None:
    """If the joints do not decide; if they cannot, or did not when the clip was extracted, then if
    the network is unsure."""
    probability = _number(info, "turned")
    if not _lies(info) or _rotated(info):
        return None
    if probability is None and info.get("mean_score", 1) >= _TURNED_SCORE:
        return None
    if probability is not None and probability < _PERHAPS_TURNED:
        return None
    return Weakness(
        "V031",
        f"the head points to the {_head(info)[0]} of the picture: either the person lies down or "
        "the picture is rotated",
        "look at the overlay; leave it as it is if the person lies down, otherwise run "
        f"extract-poses --rotate {_head(info)[1]}",
    )


def _lies(info: Mapping[str, Any]) -> bool:
    tilt = _number(info, "tilt")
    return tilt is not None and abs(tilt) >= UPRIGHT


def _head(info: Mapping[str, Any]) -> tuple[str, int]:
    """Side of the picture to which the head points, and the option that makes it upright."""
    # A clockwise turn by R adds R to the direction of the body; the picture is to show 0.
    turn = int(-round(float(info["tilt"]) / 90) * 90 % 360)
    where = {90: "left", 180: "bottom", 270: "right"}[turn]
    # The option counts from the file, and comes before the mirror, which reverses turns.
    return where, (info.get("rotate", 0) + (-turn if info.get("mirror") else turn)) % 360


def _ambiguous(info: Mapping[str, Any]) -> Weakness | None:
    if not info.get("ambiguous") or info.get("persons", 1) > 1:  # both are kept
        return None
    return Weakness(
        "V021",
        f"ambiguous subject: another person fits nearly as well (margin {info['margin']:.2f})",
        "look at the overlay; if it shows the wrong person, give the clip subject 2 in "
        "subjects.csv",
    )


def _fewer_people(info: Mapping[str, Any]) -> Weakness | None:
    persons, asked = _number(info, "persons"), _number(info, "persons_wanted")
    if persons is None or asked is None or persons >= asked or info.get("person", 1) > 1:
        return None  # told once, with the first person
    return Weakness(
        "V026",
        f"the clip shows {persons:.0f} of the {asked:.0f} people asked for",
        "look at the overlay; lower --subjects, or poses.detect_threshold if somebody is missed",
    )


def _seldom_seen(info: Mapping[str, Any]) -> Weakness | None:
    coverage = _number(info, "coverage")
    if coverage is None or coverage >= _COVERAGE:
        return None
    return _missing(coverage, "")


def _lost(info: Mapping[str, Any]) -> Weakness | None:
    coverage, gap = _number(info, "coverage"), _number(info, "longest_gap")
    if coverage is None or coverage < _COVERAGE or gap is None or gap < _LOST:
        return None
    return _missing(coverage, f", nobody is followed for {gap:.1f} s")


def _missing(coverage: float, more: str) -> Weakness:
    return Weakness(
        "V022",
        f"the subject is seen in {coverage:.0%} of the frames{more}",
        "cut the clip to the movement, or film with the whole body in the picture",
    )


def _unrecognised(info: Mapping[str, Any]) -> Weakness | None:
    score, coverage = _number(info, "mean_score"), _number(info, "coverage")
    if score is None or score >= _SCORE or not coverage:  # V022 says that nothing is seen
        return None
    return Weakness(
        "V024",
        f"the pose network hardly recognises the person (mean score {score:.2f})",
        "look at the overlay; film nearer, in brighter light or with less in the way, or use a "
        "stronger --pose",
    )


def _cut_off(info: Mapping[str, Any]) -> Weakness | None:
    share = _number(info, "crop_share")
    if share is None or share <= _CROP:
        return None
    return Weakness(
        "V025",
        f"the border of the picture cuts the subject off in {share:.0%} of the frames",
        "film with the whole body in the picture; joints outside it are guesses",
    )


def _small(info: Mapping[str, Any]) -> Weakness | None:
    height = _number(info, "person_height")
    if height is None or height >= _HEIGHT:
        return None
    return Weakness(
        "V027",
        f"the {_subject(info)} {height:.0f} pixels tall, less than {_HEIGHT:.0f}",
        "film nearer or in a higher resolution",
    )


def _subject(info: Mapping[str, Any]) -> str:
    return "hands are" if info.get("hands") else "person is"


def _swapped(info: Mapping[str, Any]) -> Weakness | None:
    swaps, frames = _number(info, "swaps"), _number(info, "frames")
    if swaps is None or not frames or swaps <= _SWAPS * frames:
        return None
    return Weakness(
        "V029",
        f"left and right are mistaken for each other in {swaps:.0f} of {frames:.0f} frames",
        "look at the overlay; film from where both sides show, or use a stronger --pose",
    )


def _cuts(info: Mapping[str, Any]) -> Weakness | None:
    if not info.get("cuts"):
        return None
    return Weakness(
        "V023",
        f"the film has cuts; the subject was joined from {info['cuts'] + 1} pieces",
        "cut the clip to one view if the alignment jumps",
    )


def _jittery(info: Mapping[str, Any]) -> Weakness | None:
    jitter = _number(info, "jitter")
    if jitter is None or jitter <= _JITTER:
        return None
    return Weakness(
        "V028",
        f"the joints tremble by {jitter:.1%} of the torso from frame to frame",
        "use a stronger --pose, or film brighter",
    )


def _doubtful(info: Mapping[str, Any]) -> Weakness | None:
    """The limbs that are doubtful for a large part of the clip."""
    seconds = _number(info, "seconds") or float(info["frames"]) / float(info["fps"])
    spent: dict[str, float] = {}
    for limb, start, end in info.get("doubts") or []:
        spent[limb] = spent.get(limb, 0.0) + end - start
    told = sorted(
        (limb for limb in spent if spent[limb] >= _DOUBT * seconds), key=lambda k: -spent[k]
    )
    if not told:
        return None
    return Weakness(
        "V033",
        f"{' and '.join(told)} doubtful for {min(spent[told[0]] / seconds, 1):.0%} of the clip",
        "hollow in the overlay; if it matters, film from where it shows",
    )


def _number(info: Mapping[str, Any], name: str) -> float | None:
    value = info.get(name)
    return None if value is None else float(value)


# The most serious first: a wrong file or person before joints that are missing, those before
# joints that are wrong, and those before joints that are rough. A turned picture is named before
# what it causes.
_CHECKS: tuple[Callable[[Mapping[str, Any]], Weakness | None], ...] = (
    _truncated,
    _rotated,
    _ambiguous,
    _fewer_people,
    _seldom_seen,
    _unrecognised,
    _cut_off,
    _small,
    _swapped,
    _cuts,
    _lost,
    _doubtful,
    _jittery,
    _perhaps_rotated,
)
