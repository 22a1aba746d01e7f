"""ELAN annotation files (.eaf, EAF 3.0): a tier `phases`, and a tier `carried` for labels that
nobody has checked. Times are whole milliseconds, as in ELAN."""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from la2ds_cli.core import artifact
from la2ds_cli.labels.files import LabelError, LabelFile, Span, one_line, xml_of, xml_text

TOOL = "ELAN"
SUFFIXES = (".eaf",)
TIER, CARRIED = "phases", "carried"
_TYPE = "phase"


def write(labels: LabelFile, path: Path) -> None:
    """Write the labels of a video, with its path in ELAN's form."""
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "la2ds",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = ElementTree.SubElement(
        root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    )
    if labels.media:
        kind = mimetypes.guess_type(labels.name)[0] or "video/*"
        media = Path(labels.media)
        url = media.as_uri() if media.is_absolute() else labels.media
        name = f"./{labels.name}"
        place = {"MEDIA_URL": url, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": name}
        ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", place)
    order = ElementTree.SubElement(root, "TIME_ORDER")
    slots: dict[int, str] = {}
    for time in sorted({round(1000 * t) for span in labels.spans for t in (span.start, span.end)}):
        slots[time] = f"ts{len(slots) + 1}"
        slot = {"TIME_SLOT_ID": slots[time], "TIME_VALUE": str(time)}
        ElementTree.SubElement(order, "TIME_SLOT", slot)
    number = 0
    for tier, carried in ((TIER, False), (CARRIED, True)):
        mine = [span for span in labels.spans if span.carried is carried]
        if carried and not mine:
            continue
        about = {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": tier}
        element = ElementTree.SubElement(root, "TIER", about)
        for span in sorted(mine, key=lambda span: span.start):
            number += 1
            outer = ElementTree.SubElement(element, "ANNOTATION")
            inner = ElementTree.SubElement(
                outer,
                "ALIGNABLE_ANNOTATION",
                {
                    "ANNOTATION_ID": f"a{number}",
                    "TIME_SLOT_REF1": slots[round(1000 * span.start)],
                    "TIME_SLOT_REF2": slots[round(1000 * span.end)],
                },
            )
            ElementTree.SubElement(inner, "ANNOTATION_VALUE").text = span.name
    last = ElementTree.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    last.text = str(number)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true"}
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", kind)
    artifact.write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{xml_text(root)}\n')


def read(path: Path, layer: str = "") -> list[LabelFile]:
    """The annotations with times of their own in a tier: `layer`, or else `phases`, or else the
    only one that has any. Dependent tiers are not read."""
    root = xml_of(path, "ANNOTATION_DOCUMENT", TOOL)
    times = {
        str(slot.get("TIME_SLOT_ID")): int(str(slot.get("TIME_VALUE"))) / 1000
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
        if slot.get("TIME_VALUE") is not None
    }
    tiers = {
        str(tier.get("TIER_ID")): tier
        for tier in root.iterfind("TIER")
        if tier.find("ANNOTATION/ALIGNABLE_ANNOTATION") is not None
    }
    if layer and layer not in tiers:
        raise LabelError(
            f"{path.name} has no tier '{layer}' with times; tiers: {', '.join(tiers) or 'none'}"
        )
    chosen = layer or (TIER if TIER in tiers else "")
    if not chosen:
        others = [name for name in tiers if name != CARRIED]
        if len(others) > 1:
            raise LabelError(
                f"{path.name} has several tiers: {', '.join(others)}; name one with --layer"
            )
        chosen = others[0] if others else ""
    spans = [
        Span(*_ends(one, times, path), one_line(one.findtext("ANNOTATION_VALUE")))
        for one in (tiers[chosen].iterfind("ANNOTATION/ALIGNABLE_ANNOTATION") if chosen else ())
    ]
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    address = "" if media is None else str(media.get("MEDIA_URL") or "")
    return [LabelFile(address, [span for span in spans if span.name])]


def _ends(one: ElementTree.Element, times: dict[str, float], path: Path) -> tuple[float, float]:
    ends = [times.get(str(one.get(f"TIME_SLOT_REF{side}"))) for side in (1, 2)]
    if ends[0] is None or ends[1] is None:
        name = one.get("ANNOTATION_ID")
        raise LabelError(f"{path.name}: annotation {name} has no time; give it one in ELAN")
    return ends[0], ends[1]
