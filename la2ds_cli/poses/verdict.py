"""What a clip's facts mean for its use: every weakness by code, the most serious first.

It is computed from the facts whenever it is needed, so a limit changed here also applies to clips
extracted long ago. Missing facts (imported joints) cause no weakness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
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
_TILTED = 45  # degrees; less is no quarter turn
_TURNED = 0.85  # probability; turned pictures reach it in 62 to 100 % of the clips of a movement
_DOUBT = 0.25  # of the clip, that a limb is doubtful; less hardly changes an alignment

_FILM = "cut the clip to the movement, or film with the whole body in the picture"

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Weakness:
    """A reason to look at a clip: code of docs/reference/codes.md, one sentence, and what to do."""

    code: str
    message: str
    hint: str


def verdict(info: Info) -> tuple[Weakness, ...]:
    """Every weakness by the facts in a PoseSequence's `info`, those of quality.assess and those of
    the extraction (truncated, ambiguous, cuts), none if the clip is ok.

    The most serious first: a wrong file or person before joints that are missing, those before
    joints that are wrong, and those before joints that are rough. A turned picture is named before
    what it causes.
    """
    return tuple(_weaknesses(info))


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


def _weaknesses(info: Info) -> Iterator[Weakness]:
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
    if fact("turned") >= _TURNED and _TILTED < abs(tilt := fact("tilt")) <= 180:
        # A clockwise turn by R adds R to the direction of the body; the picture is to show 0.
        turn = int(-round(tilt / 90) * 90 % 360)
        where = {90: "left", 180: "bottom", 270: "right"}[turn]
        # The option counts from the file, and comes before the mirror, which reverses turns.
        option = (fact("rotate", 0) + (-turn if info.get("mirror") else turn)) % 360
        yield Weakness(
            "V031",
            f"looks rotated: the head points to the {where} of the picture; --rotate {option:.0f} "
            "turns it",
            "run extract-poses with this option, or leave it as it is if the person lies down",
        )
    if info.get("ambiguous") and fact("persons", 1) <= 1:  # otherwise both are kept
        yield Weakness(
            "V021",
            f"ambiguous subject: another person fits nearly as well (margin {fact('margin'):.2f})",
            "look at the overlay; if it shows the wrong person, run extract-poses --subject 2",
        )
    persons, wanted = fact("persons"), fact("persons_wanted")
    if persons < wanted and fact("person", 1) <= 1:  # told once, with the first person
        yield Weakness(
            "V026",
            f"the clip shows {persons:.0f} of the {wanted:.0f} people asked for",
            "look at the overlay; lower --subjects, or poses.detect_threshold if somebody is "
            "missed",
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
