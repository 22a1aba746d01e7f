"""BORIS: projects (.boris); tables of events as it exports them (.csv, .tsv) are read.

A phase is a state event. Point events have no length and are reported as skipped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.untrusted_text import without_mark
from la2ds_cli.labels.files import CARRIED, LabelError, LabelFile, Span, json_of, text_of

TOOL = "BORIS"
SUFFIXES = (".boris", ".csv", ".tsv")
_PLAYERS = 8
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
        "file": {str(n): [labels.media] if n == 1 else [] for n in range(1, _PLAYERS + 1)},
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
    if path.suffix.lower() == ".boris":
        return _read_project(path, layer)
    return _read_table(path, layer)


def _read_project(path: Path, layer: str) -> list[LabelFile]:
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
            (float(event[0]) - offset, str(event[1]), str(event[2]), "") for event in one["events"]
        ]
        found.append(_labels(str(media[0]) if media else name, events, states, layer, path))
    return found


def _read_table(path: Path, layer: str) -> list[LabelFile]:
    """Tabular events, with START, STOP and POINT, of any version of BORIS, or aggregated ones, with
    a start and a stop in each line."""
    columns, rows = _table(path)
    by_media: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        media = row.get("Media file name") or row.get("Media file path") or row.get("Source") or ""
        media = media.partition("player #1:")[2] or media
        by_media.setdefault(media or row.get("Observation id", ""), []).append(row)
    if "Start (s)" in columns:
        return [_aggregated(media, mine, layer) for media, mine in by_media.items()]
    kind = "Behavior type" if "Behavior type" in columns else "Status"
    found = []
    for media, mine in by_media.items():
        events = [
            (float(r["Time"]), r.get("Subject", ""), r["Behavior"], r[kind].upper()) for r in mine
        ]
        states = {name for _, _, name, what in events if what != "POINT"}
        found.append(_labels(media, events, states, layer, path))
    return found


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and the rows, without the apostrophe of an `inert` cell; older versions of BORIS
    put facts about the observation before them."""
    text = text_of(path)
    mark = "\t" if path.suffix.lower() == ".tsv" or "\t" in text.partition("\n")[0] else ","
    try:
        lines = list(csv.reader(io.StringIO(text), delimiter=mark))
    except csv.Error as error:
        raise LabelError(f"{path.name} is not a table: {error}") from error
    lines = [[without_mark(cell) for cell in line] for line in lines]
    for number, line in enumerate(lines):
        if "Behavior" in line and ("Time" in line or "Start (s)" in line):
            cells = [dict(zip(line, row, strict=False)) for row in lines[number + 1 :] if any(row)]
            return line, cells
    raise LabelError(f"{path.name} has no header line with Behavior and Time")


def _aggregated(media: str, rows: Sequence[Mapping[str, str]], layer: str) -> LabelFile:
    spans, skipped = [], 0
    for row in rows:
        if layer and row.get("Subject", "") != layer:
            continue
        start, end = float(row["Start (s)"]), float(row["Stop (s)"] or "nan")
        if row.get("Behavior type", "STATE").upper() != "POINT" and end > start:
            spans.append(Span(start, end, row["Behavior"].strip()))
        else:
            skipped += 1
    return LabelFile(media, spans, skipped=skipped)


def _labels(
    media: str,
    events: Iterable[tuple[float, str, str, str]],
    states: set[str],
    layer: str,
    path: Path,
) -> LabelFile:
    """Pair the starts and stops of each subject and behaviour."""
    open_: dict[tuple[str, str], float] = {}
    spans, skipped = [], 0
    for time, subject, name, kind in sorted(events, key=lambda one: (one[0], one[3] == "START")):
        if not math.isfinite(time):
            raise LabelError(f"{path.name}: an event of {name} has no time")
        if layer and subject != layer:
            continue
        if name not in states or kind == "POINT":
            skipped += 1
            continue
        begun = open_.pop((subject, name), None)
        if begun is None:
            open_[subject, name] = time
        elif time > begun:
            spans.append(Span(begun, time, name.strip()))
    if open_:
        (_, name), begun = next(iter(open_.items()))
        raise LabelError(f"{path.name}: {name} begins at {begun:.3f} s and does not end")
    return LabelFile(media, sorted(spans, key=lambda span: span.start), skipped=skipped)
