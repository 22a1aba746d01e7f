"""Projects of BORIS (.boris).

A phase is a state event. Point events have no length, and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.labels.files import CARRIED, LabelError, LabelFile, Span, json_of

TOOL = "BORIS"
SUFFIXES = (".boris",)
_DIGITS = 3  # of a second, as BORIS has them
_KEYS = "123456789abcdefghijklmnopqrstuvwxyz"


# --- writing ------------------------------------------------------------------------------------


def write(labels: LabelFile, path: Path) -> None:
    """Write a project with one observation, named after the file; the phases are its ethogram."""
    names = list(dict.fromkeys(span.name for span in labels.spans))
    behaviours = {
        str(number): {
            "type": "State event",
            "key": _KEYS[number] if number < len(_KEYS) else "",
            "code": name,
            "description": "",
            "color": "",
            "category": "",
            "modifiers": {},
            "excluded": ",".join(other for other in names if other != name),
            "coding map": "",
        }
        for number, name in enumerate(names)
    }
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    medium = {labels.media: labels.seconds}
    observation = {
        "file": {str(n): [labels.media] if n == 1 else [] for n in range(1, 9)},
        "type": "MEDIA",
        "date": now,
        "description": "",
        "time offset": 0.0,
        "events": [[t, "", name, "", comment] for t, name, comment in _events(labels.spans)],
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": medium,
            "fps": {labels.media: labels.fps},
            "hasVideo": {labels.media: True},
            "hasAudio": {labels.media: False},
            "offset": {"1": 0.0},
        },
    }
    artifact.write_json(
        path,
        {
            "time_format": "seconds",
            "project_date": now,
            "project_name": path.stem,
            "project_description": "phases of la2ds",
            "project_format_version": "7.0",
            "subjects_conf": {},
            "behaviors_conf": behaviours,
            "observations": {path.stem: observation},
            "behavioral_categories": [],
            "behavioral_categories_config": {},
            "independent_variables": {},
            "coding_map": {},
            "behaviors_coding_map": [],
            "converters": {},
        },
    )


def _events(spans: Iterable[Span]) -> list[tuple[float, str, str]]:
    """Time, name and comment of each event; at equal times, stops come before starts."""
    events = []
    for span in spans:
        comment = CARRIED if span.carried else ""
        events.append((round(span.start, _DIGITS), True, span.name, comment))
        events.append((round(span.end, _DIGITS), False, span.name, comment))
    ordered = sorted(events, key=lambda one: one[:2])
    return [(time, name, comment) for time, _, name, comment in ordered]


# --- reading ------------------------------------------------------------------------------------


def read(path: Path, layer: str = "") -> list[LabelFile]:
    """The state events of each observation, only of the subject `layer` if it is given.
    Observations of several videos in a row are refused, since their times continue from video to
    video."""
    content = json_of(path)
    states = {
        str(one["code"])
        for one in content["behaviors_conf"].values()
        if "state" in str(one["type"]).lower()
    }
    found = []
    for name, one in content["observations"].items():
        files = one.get("file") or {}
        media = list(files.get("1") or []) if isinstance(files, dict) else []
        if len(media) > 1:
            raise LabelError(
                f"{path.name}: observation {name} covers {len(media)} videos in a row; make one "
                "observation for each"
            )
        offset = float(one.get("time offset") or 0.0)
        events = [
            (float(event[0]) - offset, str(event[2]), str(event[1]))
            for event in one["events"]
            if not layer or str(event[1]) == layer
        ]
        found.append(LabelFile(str(media[0]) if media else name, _paired(events, states, path)))
    return found


def _paired(events: Iterable[tuple[float, str, str]], states: set[str], path: Path) -> list[Span]:
    """The starts and stops (seconds, behaviour, subject) of each behaviour and subject, paired, in
    the order in which they begin."""
    begun: dict[tuple[str, str], float] = {}
    spans = []
    for time, name, subject in sorted(events, key=lambda one: one[0]):
        if not math.isfinite(time):
            raise LabelError(f"{path.name}: an event of {name} has no time")
        if name not in states:  # it has no length
            continue
        if (start := begun.pop((subject, name), None)) is None:
            begun[subject, name] = time
        elif time > start:
            spans.append(Span(start, time, name.strip()))
    for (_, name), start in begun.items():
        raise LabelError(f"{path.name}: {name} begins at {start:.3f} s and does not end")
    return sorted(spans, key=lambda span: span.start)
