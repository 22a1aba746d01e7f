"""What a clip's facts mean for its use: every weakness by code, the most serious first.

It is computed from the facts whenever it is needed, so a limit changed here also applies to clips
extracted long ago. Missing facts (imported joints) cause no weakness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from la2ds_cli.core.batch import ItemResult, Status
from la2ds_cli.core.progress import Progress

# The limits. "Clean" are the clips of real videos whose drawn joints look right (golf, yoga,
# squats; a small network that scores 0.52 AP on COCO) and hand-labelled joints of Penn Action.
_COVERAGE = 0.5  # less is more missing than there
_SCORE = 0.4  # clean clips score 0.67 to 0.84, people upside down 0.32 to 0.37
_CROP = 0.25  # clean clips 0.01 at most, clips cut at the thighs 0.6 to 1
_HEIGHT = 64.0  # pixels; networks look at 192 or more, so that smaller people are mostly blur
_JITTER = 0.03  # torso lengths, 1.5 cm; clean clips 0.016 at most, hand labels 0.025
_LOST = 1.5  # seconds without the person; a movement of interest is missing
_TURNED = 0.85  # probability; turned pictures reach it in 62 to 100 % of the clips of a movement
_DOUBT = 0.25  # of the clip, that a limb is doubtful; less hardly changes an alignment

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Weakness:
    """A reason to look at a clip: code of docs/reference/codes.md, one sentence, and what to do."""

    code: str
    message: str
    hint: str


def verdict(info: Info) -> tuple[Weakness, ...]:
    """Every weakness by the facts in a PoseSequence's `info`, those of quality.assess and those of
    the extraction (truncated, ambiguous, cuts); the most serious first, none if the clip is ok."""
    found = []
    for code, check, hint in _CHECKS:
        try:
            message = check(info)
        except (ArithmeticError, KeyError, TypeError, ValueError):
            continue  # facts of other types, as in a file that la2ds did not write
        if message:
            found.append(Weakness(code, message, hint))
    return tuple(found)


def item_result(path: str, video: str, info: Info, *, cached: bool) -> ItemResult:
    """Result of a clip that has poses; `info` is that of its PoseSequence.

    The code is that of the most serious weakness; a clip that was already done is `cached` and
    keeps its code.
    """
    first = next(iter(verdict(info)), Weakness("", "", ""))
    status: Status = "cached" if cached else "degraded" if first.code else "ok"
    frames = int(info.get("frames", 0))
    return ItemResult(path, video, status, frames, first.code, first.message, first.hint)


def note_weakness(progress: Progress, name: str, info: Info) -> None:
    """Note the most serious weakness of a clip that a command is about to use, if it has one."""
    for first in verdict(info)[:1]:
        progress.note(f"{name}: {first.message} ({first.code}); {first.hint}")


def _truncated(info: Info) -> str:
    if not info.get("truncated"):
        return ""
    return (
        f"decoded {info['frames']} frames, {info['seconds']:.1f} s of the "
        f"{info['seconds_declared']:.1f} s declared by the file"
    )


def _untimed(info: Info) -> str:
    declared, rate = info["seconds_declared"], info["frames"] / info["seconds"]
    if info["frames"] <= 2 or not 0 < declared * rate < 1.5:
        return ""
    return (
        f"its {info['frames']} frames all have the time of one; they count as {rate:.4g} per "
        "second, the rate of the stream"
    )


def _rotated(info: Info) -> str:
    if info["turned"] < _TURNED:
        return ""
    where, turn = _head(info)
    return f"looks rotated: the head points to the {where} of the picture; --rotate {turn} turns it"


def _head(info: Info) -> tuple[str, int]:
    """Side of the picture to which the head points, and the option that makes it upright."""
    # A clockwise turn by R adds R to the direction of the body; the picture is to show 0.
    turn = int(-round(float(info["tilt"]) / 90) * 90 % 360)
    where = {90: "left", 180: "bottom", 270: "right"}[turn]
    # The option counts from the file, and comes before the mirror, which reverses turns.
    return where, (info.get("rotate", 0) + (-turn if info.get("mirror") else turn)) % 360


def _ambiguous(info: Info) -> str:
    if not info.get("ambiguous") or info.get("persons", 1) > 1:  # both are kept
        return ""
    return f"ambiguous subject: another person fits nearly as well (margin {info['margin']:.2f})"


def _fewer_people(info: Info) -> str:
    persons, asked = info["persons"], info["persons_wanted"]
    if persons >= asked or info.get("person", 1) > 1:  # told once, with the first person
        return ""
    return f"the clip shows {persons:.0f} of the {asked:.0f} people asked for"


def _seldom_seen(info: Info) -> str:
    if info["coverage"] >= _COVERAGE:
        return ""
    return f"the subject is seen in {info['coverage']:.0%} of the frames"


def _lost(info: Info) -> str:
    coverage, gap = info["coverage"], info["longest_gap"]
    if coverage < _COVERAGE or gap < _LOST:
        return ""
    return (
        f"the subject is seen in {coverage:.0%} of the frames, nobody is followed for {gap:.1f} s"
    )


def _unrecognised(info: Info) -> str:
    if info["mean_score"] >= _SCORE or not info["coverage"]:  # V022 says that nothing is seen
        return ""
    return f"the pose network hardly recognises the person (mean score {info['mean_score']:.2f})"


def _cut_off(info: Info) -> str:
    if info["crop_share"] <= _CROP:
        return ""
    return (
        f"the border of the picture cuts the subject off in {info['crop_share']:.0%} of the frames"
    )


def _small(info: Info) -> str:
    if info["person_height"] >= _HEIGHT:
        return ""
    return f"the person is {info['person_height']:.0f} pixels tall, less than {_HEIGHT:.0f}"


def _cuts(info: Info) -> str:
    if not info.get("cuts"):
        return ""
    return f"the film has cuts; the subject was joined from {info['cuts'] + 1} pieces"


def _jittery(info: Info) -> str:
    if info["jitter"] <= _JITTER:
        return ""
    return f"the joints tremble by {info['jitter']:.1%} of the torso from frame to frame"


def _doubtful(info: Info) -> str:
    """The limbs that are doubtful for a large part of the clip."""
    seconds = info.get("seconds") or info["frames"] / info["fps"]
    spent: dict[str, float] = {}
    for limb, start, end in info.get("doubts") or []:
        spent[limb] = spent.get(limb, 0.0) + end - start
    told = sorted((k for k in spent if spent[k] >= _DOUBT * seconds), key=lambda k: -spent[k])
    if not told:
        return ""
    share = min(spent[told[0]] / seconds, 1)
    return f"{' and '.join(told)} doubtful for {share:.0%} of the clip"


# The most serious first: a wrong file or person before joints that are missing, those before
# joints that are wrong, and those before joints that are rough. A turned picture is named before
# what it causes.
_FILM = "cut the clip to the movement, or film with the whole body in the picture"
_CHECKS: tuple[tuple[str, Callable[[Info], str], str], ...] = (
    (
        "V003",
        _truncated,
        "the file is cut off or damaged; copy or export it again if the rest matters",
    ),
    ("V013", _untimed, "export the clip again with the times of its frames, if that is wrong"),
    (
        "V031",
        _rotated,
        "run extract-poses with this option, or leave it as it is if the person lies down",
    ),
    (
        "V021",
        _ambiguous,
        "look at the overlay; if it shows the wrong person, give the clip subject 2 in "
        "subjects.csv",
    ),
    (
        "V026",
        _fewer_people,
        "look at the overlay; lower --subjects, or poses.detect_threshold if somebody is missed",
    ),
    ("V022", _seldom_seen, _FILM),
    (
        "V024",
        _unrecognised,
        "look at the overlay; film nearer, in brighter light or with less in the way, or use a "
        "stronger --pose",
    ),
    (
        "V025",
        _cut_off,
        "film with the whole body in the picture; joints outside it are guesses",
    ),
    ("V027", _small, "film nearer or in a higher resolution"),
    ("V023", _cuts, "cut the clip to one view if the alignment jumps"),
    ("V022", _lost, _FILM),
    ("V033", _doubtful, "hollow in the overlay; if it matters, film from where it shows"),
    ("V028", _jittery, "use a stronger --pose, or film brighter"),
)
