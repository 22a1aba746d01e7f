"""ELAN annotation files (.eaf, EAF 3.0): a tier `phases`.

The tier `origin` below it says who placed the ends of an annotation, if no person has: delete its
entry to vouch for the annotation. A property of the header holds the clip. Times are whole
milliseconds, as in ELAN.
"""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from la2ds_cli.labels.files import (
    ClipKey,
    LabelError,
    LabelFile,
    TimedPhase,
    noted_origins,
    notes_of,
    xml_root,
    xml_text,
)

TOOL = "ELAN"
SUFFIXES = (".eaf",)
TIER, _NOTES = "phases", "origin"
_TYPE = "phase"
_CLIP = "la2ds:clip"  # property with the ClipKey
_ONE_TO_ONE = "Symbolic_Association"


# --- writing ------------------------------------------------------------------------------------


def write(labels: LabelFile, stem: str) -> str:
    """Return the labels of a video, with its path in ELAN's form."""
    root = Element(
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
    header = _header(root, labels)
    order = SubElement(root, "TIME_ORDER")
    slots: dict[int, str] = {}
    for time in sorted({_ms(t) for phase in labels.phases for t in (phase.start, phase.end)}):
        slots[time] = f"ts{len(slots) + 1}"
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slots[time], "TIME_VALUE": str(time)})
    notes: dict[str, str] = {}
    tier = SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": TIER})
    for number, phase in enumerate(sorted(labels.phases, key=lambda one: one.start), start=1):
        start, end = _ms(phase.start), _ms(phase.end)
        about = {"TIME_SLOT_REF1": slots[start], "TIME_SLOT_REF2": slots[end]}
        _annotate(tier, "ALIGNABLE_ANNOTATION", f"a{number}", about, phase.name)
        if text := notes_of(phase, start / 1000, end / 1000):
            notes[f"a{number}"] = text
    number = len(labels.phases)
    if notes:
        about = {"LINGUISTIC_TYPE_REF": _NOTES, "PARENT_REF": TIER, "TIER_ID": _NOTES}
        tier = SubElement(root, "TIER", about)
        for parent, text in notes.items():
            number += 1
            _annotate(tier, "REF_ANNOTATION", f"a{number}", {"ANNOTATION_REF": parent}, text)
    SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(number)
    _describe_tiers(root, with_notes=bool(notes))
    return xml_text(root)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _header(root: Element, labels: LabelFile) -> Element:
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if labels.media:
        kind = mimetypes.guess_type(labels.name)[0] or "video/*"
        media = Path(labels.media)
        url = media.as_uri() if media.is_absolute() else labels.media
        name = f"./{labels.name}"
        place = {"MEDIA_URL": url, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": name}
        SubElement(header, "MEDIA_DESCRIPTOR", place)
    if labels.key:
        SubElement(header, "PROPERTY", {"NAME": _CLIP}).text = labels.key.to_text()
    return header


def _annotate(tier: Element, kind: str, number: str, about: dict[str, str], text: str) -> None:
    """Add an annotation to a tier."""
    outer = SubElement(tier, "ANNOTATION")
    inner = SubElement(outer, kind, {"ANNOTATION_ID": number, **about})
    SubElement(inner, "ANNOTATION_VALUE").text = text


def _describe_tiers(root: Element, *, with_notes: bool) -> None:
    """Add the types of the tiers."""
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true"}
    SubElement(root, "LINGUISTIC_TYPE", kind)
    if with_notes:
        more = {"LINGUISTIC_TYPE_ID": _NOTES, "TIME_ALIGNABLE": "false"}
        SubElement(root, "LINGUISTIC_TYPE", {**kind, **more, "CONSTRAINTS": _ONE_TO_ONE})
        text = "1-1 association with a parent annotation"
        SubElement(root, "CONSTRAINT", {"DESCRIPTION": text, "STEREOTYPE": _ONE_TO_ONE})


# --- reading ------------------------------------------------------------------------------------


def read(text: str, name: str, layer: str = "") -> list[LabelFile | LabelError]:
    """Return the annotations with times of their own in a tier: `layer`, or else `phases`, or else
    the only one that has any. Of dependent tiers, only `origin` is read."""
    root = xml_root(text, name, "ANNOTATION_DOCUMENT", TOOL)
    times = {
        str(slot.get("TIME_SLOT_ID")): int(str(slot.get("TIME_VALUE"))) / 1000
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
        if slot.get("TIME_VALUE") is not None
    }
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    address = "" if media is None else str(media.get("MEDIA_URL") or "")
    # Milliseconds of the video that come before ELAN's zero.
    skipped = 0.0 if media is None else int(media.get("TIME_ORIGIN") or 0) / 1000
    notes = {
        str(one.get("ANNOTATION_REF")): one.findtext("ANNOTATION_VALUE")
        for tier in root.iterfind("TIER")
        if str(tier.get("TIER_ID")) == _NOTES
        for one in tier.iterfind("ANNOTATION/REF_ANNOTATION")
    }
    phases = []
    for one in _chosen_annotations(root, name, layer):
        start, end = _ends(one, times, name)
        origins = noted_origins(notes.get(str(one.get("ANNOTATION_ID"))), start, end)
        value = one.findtext("ANNOTATION_VALUE") or ""
        phases.append(TimedPhase(start + skipped, end + skipped, value, origins))
    properties = {p.get("NAME"): p.text for p in root.iterfind("HEADER/PROPERTY")}
    return [LabelFile(address, phases, key=ClipKey.from_text(properties.get(_CLIP)))]


def _chosen_annotations(root: Element, name: str, layer: str) -> list[Element]:
    """The annotations with times of the tier to read; none if the file has none."""
    path = "ANNOTATION/ALIGNABLE_ANNOTATION"
    tiers = {
        str(tier.get("TIER_ID")): found
        for tier in root.iterfind("TIER")
        if (found := tier.findall(path))
    }
    names = ", ".join(tiers) or "none"
    if layer and layer not in tiers:
        raise LabelError(f"{name} has no tier '{layer}' with times; tiers: {names}")
    if not layer and len(tiers) > 1 and TIER not in tiers:
        raise LabelError(f"{name} has several tiers: {names}; name one with --layer")
    chosen = layer or (TIER if TIER in tiers else next(iter(tiers), ""))
    return tiers.get(chosen, [])


def _ends(one: Element, times: dict[str, float], name: str) -> tuple[float, float]:
    ends = [times.get(str(one.get(f"TIME_SLOT_REF{side}"))) for side in (1, 2)]
    if ends[0] is None or ends[1] is None:
        number = one.get("ANNOTATION_ID")
        raise LabelError(f"{name}: annotation {number} has no time; give it one in ELAN")
    return ends[0], ends[1]
