"""Projects of BORIS (.boris).

A phase is a state event. Point events have no length, and are left out. The comment of an event
says who placed it, if no person has; an independent variable of the observation holds the clip.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from la2ds_cli.core.artifact import json_text
from la2ds_cli.core.types import PERSON, Origins
from la2ds_cli.labels.files import (
    ClipKey,
    LabelError,
    LabelFile,
    TimedPhase,
    end_note,
    json_object,
    noted_origin,
)

TOOL = "BORIS"
SUFFIXES = (".boris",)
_DIGITS = 3  # of a second, as BORIS has them
_KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
_CLIP = "la2ds clip"  # independent variable with the ClipKey


# --- writing ------------------------------------------------------------------------------------


def write(labels: LabelFile, stem: str) -> str:
    """Return a project with one observation, named `stem`; the phases are its ethogram."""
    names = list(dict.fromkeys(phase.name for phase in labels.phases))
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
    variable = {
        "label": _CLIP,
        "description": "written by la2ds, which finds the clip by it",
        "type": "text",
        "default value": "",
        "possible values": "",
    }
    return json_text(
        {
            "time_format": "seconds",
            "project_date": now,
            "project_name": stem,
            "project_description": "phases of la2ds",
            "project_format_version": "7.0",
            "subjects_conf": {},
            "behaviors_conf": behaviours,
            "observations": {stem: _observation(labels, now)},
            "behavioral_categories": [],
            "behavioral_categories_config": {},
            "independent_variables": {"0": variable} if labels.key else {},
            "coding_map": {},
            "behaviors_coding_map": [],
            "converters": {},
        },
    )


def _observation(labels: LabelFile, now: str) -> dict[str, Any]:
    return {
        "file": {str(n): [labels.media] if n == 1 else [] for n in range(1, 9)},
        "type": "MEDIA",
        "date": now,
        "description": "",
        "time offset": 0.0,
        "events": _events(labels.phases),
        "observation time interval": [0, 0],
        "independent_variables": {_CLIP: labels.key.to_text()} if labels.key else {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {labels.media: labels.seconds},
            "fps": {labels.media: labels.fps},
            "hasVideo": {labels.media: True},
            "hasAudio": {labels.media: False},
            "offset": {"1": 0.0},
        },
    }


def _events(phases: Iterable[TimedPhase]) -> list[list[Any]]:
    """Time, subject, behaviour, modifier and comment of each event; at equal times, stops come
    before starts."""
    events = []
    for phase in phases:
        ends = zip(Origins._fields, (phase.start, phase.end), phase.origins, strict=True)
        for side, seconds, origin in ends:
            time = round(seconds, _DIGITS)
            comment = "" if origin == PERSON else end_note(side, origin, time)
            events.append((time, side == "start", [time, "", phase.name, "", comment]))
    return [event for *_, event in sorted(events, key=lambda one: one[:2])]


# --- reading ------------------------------------------------------------------------------------


def read(text: str, name: str, layer: str = "") -> list[LabelFile | LabelError]:
    """Return the state events of each observation, only of the subject `layer` if it is given.
    Observations of several videos in a row are errors, since their times continue from video to
    video."""
    content = json_object(text, name)
    states = {
        str(one["code"])
        for one in content["behaviors_conf"].values()
        if "state" in str(one["type"]).lower()
    }
    found: list[LabelFile | LabelError] = []
    for title, observation in content["observations"].items():
        try:
            found.append(_read_observation(title, observation, states, layer))
        except LabelError as error:
            found.append(LabelError(f"{name}: observation {title}: {error}"))
    return found


def _read_observation(
    title: str, observation: dict[str, Any], states: set[str], layer: str
) -> LabelFile:
    files = observation.get("file") or {}
    media = list(files.get("1") or []) if isinstance(files, dict) else []
    if len(media) > 1:
        raise LabelError(f"it covers {len(media)} videos in a row; make one observation for each")
    offset = float(observation.get("time offset") or 0.0)
    events = [
        event
        for event in observation["events"]
        if str(event[2]) in states and (not layer or str(event[1]) == layer)
    ]
    variables = observation.get("independent_variables") or {}
    return LabelFile(
        str(media[0]) if media else title,
        _paired(events, offset),
        key=ClipKey.from_text(variables.get(_CLIP)),
        title=f"observation {title}",
    )


def _paired(events: Iterable[list[Any]], offset: float) -> list[TimedPhase]:
    """The starts and stops of each behaviour and subject as phases, in the order in which they
    begin. offset: seconds of an event that is at the first frame of the video."""
    begun: dict[tuple[str, str], list[Any]] = {}
    phases = []
    for event in sorted(events, key=lambda one: float(one[0])):
        subject, name = str(event[1]), str(event[2])
        if not math.isfinite(float(event[0])):
            raise LabelError(f"an event of {name} has no time")
        if (start := begun.pop((subject, name), None)) is None:
            begun[subject, name] = event
        elif float(event[0]) > float(start[0]):
            origins = Origins(_origin("start", start), _origin("end", event))
            ends = float(start[0]) - offset, float(event[0]) - offset
            phases.append(TimedPhase(*ends, name, origins))
    for (_, name), event in begun.items():
        raise LabelError(f"{name} begins at {float(event[0]):.3f} s and does not end")
    return sorted(phases, key=lambda phase: phase.start)


def _origin(side: str, event: list[Any]) -> str:
    comment = event[4] if len(event) > 4 else ""
    return noted_origin(side, comment, float(event[0])) or PERSON
