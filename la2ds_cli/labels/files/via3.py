"""Projects of the VGG Image Annotator, version 3 (.json): temporal segments with one attribute."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.labels.files import LabelError, LabelFile, Span, json_of, one_line

TOOL = "VIA 3"
SUFFIXES = (".json",)
NAME = "phase"  # of the attribute
_SEGMENTS = "FILE1_Z2_XY0"  # what an attribute of temporal segments is anchored to
_SELECT, _VIDEO, _LOCAL = 4, 4, 1


def write(labels: LabelFile, path: Path) -> None:
    """Write the labels of a video; VIA asks for the video by name when it opens the file. Unchecked
    labels are not marked."""
    names = list(dict.fromkeys(span.name for span in labels.spans))
    keys = {name: str(number) for number, name in enumerate(names)}
    project = {
        "pid": "__VIA_PROJECT_ID__",
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": path.stem,
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
    attribute = {
        "aname": NAME,
        "anchor_id": _SEGMENTS,
        "type": _SELECT,
        "desc": "phases of the movement",
        "options": {key: name for name, key in keys.items()},
        "default_option_id": "",
    }
    file = {"fid": "1", "fname": labels.name, "type": _VIDEO, "loc": _LOCAL, "src": labels.name}
    segments = {
        f"1_la2ds{number:04d}": {
            "vid": "1",
            "flg": 0,
            "z": [round(span.start, 4), round(span.end, 4)],
            "xy": [],
            "av": {"1": keys[span.name]},
        }
        for number, span in enumerate(sorted(labels.spans, key=lambda span: span.start))
    }
    artifact.write_json(
        path,
        {
            "project": project,
            "config": {"file": {"loc_prefix": {str(n): "" for n in range(1, 5)}}, "ui": ui},
            "attribute": {"1": attribute},
            "file": {"1": file},
            "view": {"1": {"fid_list": ["1"]}},
            "metadata": segments,
        },
    )


def read(path: Path, layer: str = "") -> list[LabelFile]:
    """The temporal segments of each video of a project: the values of the attribute `layer`, or
    else of the only one that they have. Segments that do not have exactly two times are skipped."""
    content = json_of(path)
    attributes = {
        key: one for key, one in content["attribute"].items() if one["anchor_id"] == _SEGMENTS
    }
    key = _chosen(attributes, layer, path)
    found = {}
    for vid, view in content["view"].items():
        files = [content["file"][str(fid)] for fid in view["fid_list"]]
        found[vid] = LabelFile(str(files[0]["fname"]), []) if files else None
    for one in content["metadata"].values():
        labels = found.get(str(one["vid"]))
        if labels is None or one.get("xy") or len(one["z"]) != 2:
            continue
        name = _value(attributes, key, one.get("av") or {})
        if name:
            labels.spans.append(Span(float(one["z"][0]), float(one["z"][1]), name))
    return [labels for labels in found.values() if labels is not None]


def _chosen(attributes: dict[str, Any], layer: str, path: Path) -> str:
    names = {str(one["aname"]): key for key, one in attributes.items()}
    if layer and layer not in names:
        said = ", ".join(names) or "none"
        raise LabelError(f"{path.name} has no segment attribute '{layer}'; it has: {said}")
    if not layer and len(names) > 1 and NAME not in names:
        raise LabelError(f"{path.name} has several: {', '.join(names)}; name one with --layer")
    wanted = layer or (NAME if NAME in names else next(iter(names), ""))
    return names.get(wanted, "")


def _value(attributes: dict[str, Any], key: str, values: dict[str, Any]) -> str:
    value = str(values.get(key, ""))
    options = attributes.get(key, {}).get("options") or {}
    return one_line(options.get(value, value))
