"""Kinovea annotation files (.kva, format 2.0): phases as key images.

A key image is a moment: a phase begins at the key image with its name, and lasts until the next
one. If no phase follows immediately, a key image `end of NAME` marks the end. In files of la2ds,
the comments say which key image begins or ends a phase and who placed it, and hold the clip; the
names of phases can then be anything.

Kinovea counts time in stamps of the video's time base. A file says how many of them a frame lasts
(AverageTimeStampsPerFrame) and how many frames are shown per second (UserFramerate); for another
video or time base, Kinovea converts stamps with these. Written files have 1,000 stamps per frame,
so that times between frames of films with variable rate are kept.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from pathlib import PurePath
from xml.etree.ElementTree import Element, SubElement

from la2ds_cli.core.types import PERSON, Origins
from la2ds_cli.labels.files import (
    ClipKey,
    LabelError,
    LabelFile,
    TimedPhase,
    end_note,
    noted_origin,
    one_line,
    xml_root,
    xml_text,
)

TOOL = "Kinovea"
SUFFIXES = (".kva",)
STAMPS = 1000  # per frame, in what is written
_END = "end of "
_LAST = "last"  # side of the note on the end of a phase that lasts until the end of the clip
_TIME_BASES = (1000.0, 600.0)  # stamps per second, of Matroska and of older QuickTime films


@dataclass
class KeyImage:
    """seconds: of the video file."""

    seconds: float
    title: str
    comment: str


# --- writing ------------------------------------------------------------------------------------


def write(labels: LabelFile, stem: str) -> str:
    """Return the key images of a video."""
    rate = labels.fps or 1.0
    per_second = STAMPS * rate
    root = Element("KinoveaVideoAnalysis")
    head = {
        "FormatVersion": "2.0",
        "Producer": "la2ds",
        "OriginalFilename": PurePath(labels.name).stem,
        "FullPath": labels.media,
        "AverageTimeStampsPerFrame": str(STAMPS),
        "CaptureFramerate": repr(float(rate)),
        "UserFramerate": repr(float(rate)),
        "FirstTimeStamp": "0",
        "SelectionStart": "0",
        "SelectionEnd": str(max(round(per_second * labels.seconds) - STAMPS, 0)),
        "TimeOrigin": "0",
    }
    # Kinovea converts by what stands above an element, so the head comes first.
    for name, value in head.items():
        SubElement(root, name).text = value
    images = _key_images(labels, labels.seconds - 0.5 / rate)
    if images:  # Kinovea fails at an empty list
        list_ = SubElement(root, "Keyframes")
        for one in images:
            number = uuid.uuid5(uuid.NAMESPACE_URL, f"{stem}/{one.title} {one.seconds}")
            image = SubElement(list_, "Keyframe", {"id": str(number)})
            SubElement(image, "Position").text = str(round(per_second * one.seconds))
            SubElement(image, "Title").text = one.title
            SubElement(image, "Comment").text = one.comment
    return xml_text(root)


def _key_images(labels: LabelFile, stop: float) -> list[KeyImage]:
    """The key images of phases; a phase that ends after `stop` lasts until the end of the clip,
    which is SelectionEnd."""
    key = f"; {labels.key.to_text()}" if labels.key else ""
    images: list[KeyImage] = []
    before: TimedPhase | None = None
    phases = sorted(labels.phases, key=lambda phase: phase.start)
    for phase in phases:
        note = end_note("start", phase.origins.start, phase.start)
        if before is not None and before.end == phase.start:
            images.pop()
            note += f", {end_note('end', before.origins.end, before.end)}"
        lasts = phase is phases[-1] and phase.end >= stop
        if lasts:
            note += f", {end_note(_LAST, phase.origins.end, phase.end)}"
        images.append(KeyImage(phase.start, phase.name, note + key))
        if not lasts:
            note = end_note("end", phase.origins.end, phase.end)
            images.append(KeyImage(phase.end, f"{_END}{phase.name}", note + key))
        before = phase
    return images


# --- reading ------------------------------------------------------------------------------------


def read(text: str, name: str, layer: str = "") -> list[LabelFile | LabelError]:
    """Return the key images that have a name, as phases: each lasts until the next one, the last
    one until the end of the selection. `end of NAME` ends the phase with this name and begins none.
    Key images without a name are skipped; drawings and trajectories are not read."""
    root = xml_root(text, name, "KinoveaVideoAnalysis", TOOL)
    per_second, rate = _stamps_per_second(root, name)
    first = _number(root, "FirstTimeStamp") or 0.0
    end = math.inf
    if (selected := _number(root, "SelectionEnd")) is not None and selected > first:
        end = (selected - first) / per_second + 1 / rate
    images = [
        KeyImage(
            (_finite(image.findtext("Position")) - first) / per_second,
            image.findtext("Title") or "",
            image.findtext("Comment") or "",
        )
        for image in root.iterfind("Keyframes/Keyframe")
        if _is_named(image)
    ]
    keys = (ClipKey.from_text(one.comment) for one in images)
    media = root.findtext("FullPath") or root.findtext("OriginalFilename") or ""
    phases = _phases(sorted(images, key=lambda one: one.seconds), end)
    return [LabelFile(media.strip(), phases, rate, key=next(filter(None, keys), None))]


def _stamps_per_second(root: Element, name: str) -> tuple[float, float]:
    """How many stamps and how many frames a second has."""
    stamps = _number(root, "AverageTimeStampsPerFrame")
    rate = _number(root, "UserFramerate") or _number(root, "CaptureFramerate")
    if not (stamps and stamps > 0 and rate and rate > 0 and 0 < stamps * rate < math.inf):
        raise LabelError(f"{name} does not give its stamps per frame and frames per second")
    # Kinovea rounds the stamps of a frame to a whole number: 33 at 29.97 in milliseconds. Of 1 it
    # may be that frames are counted.
    rounded = [base for base in _TIME_BASES if abs(base / rate - stamps) < 1]
    return (rounded[0] if rounded and stamps > 1 else stamps * rate), rate


def _is_named(image: Element) -> bool:
    """Whether somebody has named a key image, or la2ds has; Kinovea names it by its time."""
    seconds = _finite(image.findtext("Position"))
    comment = image.findtext("Comment")
    if any(noted_origin(side, comment, seconds) for side in Origins._fields):
        return True
    title, position = one_line(image.findtext("Title")), image.find("Position")
    time = "" if position is None else position.get("UserTime")
    return bool(title) and title != one_line(time)


def _phases(images: list[KeyImage], end: float) -> list[TimedPhase]:
    """The phases between key images in time order. end: of the clip."""
    phases: list[TimedPhase] = []
    begun: KeyImage | None = None
    for image in images:
        if begun is not None:
            origin = noted_origin("end", image.comment, image.seconds)
            phases.append(_phase(begun, image.seconds, origin))
        begun = None if _only_ends(image, begun) else image
    if begun is not None:
        last = max(end, begun.seconds)
        phases.append(_phase(begun, last, noted_origin(_LAST, begun.comment, last)))
    return [phase for phase in phases if phase.end > phase.start]


def _only_ends(image: KeyImage, begun: KeyImage | None) -> bool:
    """Whether a key image ends the phase that another has begun, and begins none. Its comment says
    so in files of la2ds, unless somebody has given it another name since."""
    if begun is None or image.title != f"{_END}{begun.title}":
        return False
    return noted_origin("start", image.comment, image.seconds) is None


def _phase(begun: KeyImage, end: float, end_origin: str | None) -> TimedPhase:
    start_origin = noted_origin("start", begun.comment, begun.seconds)
    origins = Origins(start_origin or PERSON, end_origin or PERSON)
    return TimedPhase(begun.seconds, end, begun.title, origins)


def _number(root: Element, name: str) -> float | None:
    text = root.findtext(name)
    return None if text is None else _finite(text)


def _finite(text: str | None) -> float:
    value = float(text or "")
    if not math.isfinite(value):
        raise ValueError(f"a number is {value}")
    return value
