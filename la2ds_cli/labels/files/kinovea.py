"""Kinovea annotation files (.kva, format 2.0): phases as key images.

A key image is a moment: a phase begins at the key image with its name, and lasts until the next
one. If no phase follows immediately, a key image `end of NAME` marks the end.

Kinovea counts time in stamps of the video's time base. A file says how many of them a frame lasts
(AverageTimeStampsPerFrame) and how many frames are shown per second (UserFramerate); for another
video or time base, Kinovea converts stamps with these. Written files have 1,000 stamps per frame,
so that times between frames of films with variable rate are kept.
"""

from __future__ import annotations

import math
import re
import uuid
from itertools import pairwise
from pathlib import Path, PurePath
from xml.etree.ElementTree import Element, SubElement

from la2ds_cli.core import artifact
from la2ds_cli.labels.files import CARRIED, LabelError, LabelFile, Span, one_line, xml_of, xml_text

TOOL = "Kinovea"
SUFFIXES = (".kva",)
STAMPS = 1000  # per frame, in what is written
_END = "end of "
_TIMECODE = re.compile(r"[\d\s:.,;]+")  # what Kinovea writes for a key image without a name
_TIME_BASES = (1000.0, 600.0)  # stamps per second, of Matroska and of older QuickTime films


# --- writing ------------------------------------------------------------------------------------


def write(labels: LabelFile, path: Path) -> None:
    """Write the key images of a video."""
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
    moments = _moments(labels, labels.seconds - 0.5 / rate)
    if moments:  # Kinovea fails at an empty list
        images = SubElement(root, "Keyframes")
        for seconds, title, comment in moments:
            number = uuid.uuid5(uuid.NAMESPACE_URL, f"{path.stem}/{title} {seconds}")
            image = SubElement(images, "Keyframe", {"id": str(number)})
            SubElement(image, "Position").text = str(round(per_second * seconds))
            SubElement(image, "Title").text = title
            if comment:
                SubElement(image, "Comment").text = comment
    artifact.write_text(path, f'<?xml version="1.0" encoding="utf-8"?>\n{xml_text(root)}\n')


def _moments(labels: LabelFile, stop: float) -> list[tuple[float, str, str]]:
    """Seconds, name and comment of each key image; a phase beyond `stop` lasts until the end of the
    clip, which is SelectionEnd."""
    spans = sorted(labels.spans, key=lambda span: span.start)
    moments = []
    for span, after in pairwise([*spans, None]):
        assert span is not None
        moments.append((span.start, span.name, CARRIED if span.carried else ""))
        if span.end < (after.start if after else stop):
            moments.append((span.end, f"{_END}{span.name}", ""))
    return moments


# --- reading ------------------------------------------------------------------------------------


def read(path: Path, layer: str = "") -> list[LabelFile]:
    """The key images that have a name, as phases: each lasts until the next one, the last one until
    the end of the selection. `end of NAME` ends the phase with this name and begins none. Key
    images without a name are skipped; drawings and trajectories are not read."""
    root = xml_of(path, "KinoveaVideoAnalysis", TOOL)
    stamps = _number(root, "AverageTimeStampsPerFrame")
    rate = _number(root, "UserFramerate") or _number(root, "CaptureFramerate")
    if not (stamps and stamps > 0 and rate and rate > 0 and 0 < stamps * rate < math.inf):
        raise LabelError(f"{path.name} does not give its stamps per frame and frames per second")
    per_second = stamps * rate
    # Kinovea rounds the stamps of a frame to a whole number: 33 at 29.97 in milliseconds. Of 1 it
    # may be that frames are counted.
    rounded = [base for base in _TIME_BASES if abs(base / rate - stamps) < 1]
    if rounded and stamps > 1:
        per_second = rounded[0]
    first = _number(root, "FirstTimeStamp") or 0.0
    end = math.inf
    if (selected := _number(root, "SelectionEnd")) is not None and selected > first:
        end = (selected - first) / per_second + 1 / rate
    images = [
        (_finite(image.findtext("Position")), one_line(image.findtext("Title")))
        for image in root.iterfind("Keyframes/Keyframe")
    ]
    named = sorted(one for one in images if one[1] and not _TIMECODE.fullmatch(one[1]))
    spans: list[Span] = []
    open_ = ""
    for n, (at, title) in enumerate(named):
        if open_ and title == f"{_END}{open_}":
            open_ = ""
            continue
        open_ = title
        start = (at - first) / per_second
        stop = (named[n + 1][0] - first) / per_second if n + 1 < len(named) else max(end, start)
        if stop > start:
            spans.append(Span(start, stop, title))
    media = root.findtext("FullPath") or root.findtext("OriginalFilename") or ""
    return [LabelFile(media.strip(), spans, rate)]


def _number(root: Element, name: str) -> float | None:
    text = root.findtext(name)
    return None if text is None else _finite(text)


def _finite(text: str | None) -> float:
    value = float(text or "")
    if not math.isfinite(value):
        raise ValueError(f"a number is {value}")
    return value
