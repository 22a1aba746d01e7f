"""Projects of the VGG Image Annotator, version 3 (.json): temporal segments with the attribute
`phase`.

A second attribute, `origin`, says who placed the ends of a segment, if no person has: clear it to
vouch for the segment. An attribute of the file holds the clip.
"""

from __future__ import annotations

import time
from typing import Any

from la2ds_cli.core.artifact import json_text
from la2ds_cli.labels.files import (
    ClipKey,
    LabelError,
    LabelFile,
    TimedPhase,
    json_object,
    noted_origins,
    notes_of,
)

TOOL = "VIA 3"
SUFFIXES = (".json",)
NAME = "phase"  # of the attribute
_NOTES, _CLIP = "origin", "la2ds clip"  # attributes of segments and of the file
_SEGMENTS, _FILE = "FILE1_Z2_XY0", "FILE1_Z0_XY0"  # what attributes are anchored to
_TEXT, _SELECT, _VIDEO, _LOCAL = 1, 4, 4, 1
_DIGITS = 4  # of a second


# --- writing ------------------------------------------------------------------------------------


def write(labels: LabelFile, stem: str) -> str:
    """Return the labels of a video; VIA asks for the video by name when it opens the file."""
    names = list(dict.fromkeys(phase.name for phase in labels.phases))
    keys = {name: str(number) for number, name in enumerate(names)}
    project = {
        "pid": "__VIA_PROJECT_ID__",
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": stem,
        "creator": "la2ds",
        "created": round(1000 * time.time()),
        "vid_list": ["1"],
    }
    shown = ("file_metadata", "spatial_metadata", "temporal_segment_metadata")
    ui: dict[str, Any] = {f"{name}_editor_visible": True for name in shown}
    ui |= {
        "file_content_align": "center",
        "spatial_region_label_attribute_id": "",
        "gtimeline_visible_row_count": "4",
    }
    options = {key: name for name, key in keys.items()}
    file = {"fid": "1", "fname": labels.name, "type": _VIDEO, "loc": _LOCAL, "src": labels.name}
    metadata = {
        f"1_la2ds{number:04d}": _segment(phase, keys[phase.name])
        for number, phase in enumerate(sorted(labels.phases, key=lambda one: one.start))
    }
    if labels.key:
        clip = {"vid": "1", "flg": 0, "z": [], "xy": [], "av": {"3": labels.key.to_text()}}
        metadata = {"1_la2dsclip": clip, **metadata}
    return json_text(
        {
            "project": project,
            "config": {"file": {"loc_prefix": {str(n): "" for n in range(1, 5)}}, "ui": ui},
            "attribute": {
                "1": _attribute(NAME, _SEGMENTS, _SELECT, "phases of the movement", options),
                "2": _attribute(_NOTES, _SEGMENTS, _TEXT, "who placed the ends", {}),
                "3": _attribute(_CLIP, _FILE, _TEXT, "la2ds finds the clip by it", {}),
            },
            "file": {"1": file},
            "view": {"1": {"fid_list": ["1"]}},
            "metadata": metadata,
        }
    )


def _attribute(
    name: str, anchor: str, kind: int, about: str, options: dict[str, str]
) -> dict[str, Any]:
    return {
        "aname": name,
        "anchor_id": anchor,
        "type": kind,
        "desc": about,
        "options": options,
        "default_option_id": "",
    }


def _segment(phase: TimedPhase, key: str) -> dict[str, Any]:
    ends = round(phase.start, _DIGITS), round(phase.end, _DIGITS)
    values = {"1": key} | ({"2": notes} if (notes := notes_of(phase, *ends)) else {})
    return {"vid": "1", "flg": 0, "z": list(ends), "xy": [], "av": values}


# --- reading ------------------------------------------------------------------------------------


def read(text: str, name: str, layer: str = "") -> list[LabelFile | LabelError]:
    """Return the temporal segments of each video of a project: the values of the attribute `layer`,
    or else of the only one that they have. Segments that do not have exactly two times are
    skipped."""
    content = json_object(text, name)
    attributes = {
        key: one for key, one in content["attribute"].items() if one["anchor_id"] == _SEGMENTS
    }
    key = _chosen(attributes, layer, name)
    notes_key = _named(content["attribute"], _NOTES, _SEGMENTS)
    clip_key = _named(content["attribute"], _CLIP, _FILE)
    phases: dict[str, list[TimedPhase]] = {}
    clips: dict[str, ClipKey | None] = {}
    for one in content["metadata"].values():
        video, values = str(one["vid"]), one.get("av") or {}
        if not one["z"] and not one.get("xy"):
            clips[video] = clips.get(video) or ClipKey.from_text(values.get(clip_key))
        if one.get("xy") or len(one["z"]) != 2:
            continue
        start, end = float(one["z"][0]), float(one["z"][1])
        origins = noted_origins(values.get(notes_key), start, end)
        phase = TimedPhase(start, end, _value(attributes, key, values), origins)
        phases.setdefault(video, []).append(phase)
    found: list[LabelFile | LabelError] = []
    for video, view in content["view"].items():
        if files := [content["file"][str(fid)] for fid in view["fid_list"]]:
            media = str(files[0]["fname"])
            own = phases.get(video, [])
            found.append(LabelFile(media, own, key=clips.get(video), title=media))
    return found


def _named(attributes: dict[str, Any], name: str, anchor: str) -> str:
    """The key of an attribute; empty if there is none."""
    fitting = (
        key for key, one in attributes.items() if (one["aname"], one["anchor_id"]) == (name, anchor)
    )
    return next(fitting, "")


def _chosen(attributes: dict[str, Any], layer: str, file: str) -> str:
    """The key of the attribute to read; empty if there is none."""
    names = {str(one["aname"]): key for key, one in attributes.items()}
    if layer and layer not in names:
        listed = ", ".join(names) or "none"
        raise LabelError(f"{file} has no segment attribute '{layer}'; it has: {listed}")
    if not layer and len(names) > 1 and NAME not in names:
        raise LabelError(f"{file} has several: {', '.join(names)}; name one with --layer")
    wanted = layer or (NAME if NAME in names else next(iter(names), ""))
    return names.get(wanted, "")


def _value(attributes: dict[str, Any], key: str, values: dict[str, Any]) -> str:
    """The value of an attribute: its text, or that of the option which the value numbers."""
    value, attribute = str(values.get(key, "")), attributes.get(key, {})
    options = {} if attribute.get("type") == _TEXT else attribute.get("options") or {}
    return str(options.get(value, value))
