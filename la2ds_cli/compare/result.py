"""What a comparison found, as one value, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align_result import AlignResult
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.tables import rounded
from la2ds_cli.compare.anomaly import Anomaly
from la2ds_cli.compare.differences import LEAST, OTHER_VIEW, SURE, Differences
from la2ds_cli.compare.findings import Finding, JointSpan
from la2ds_cli.compare.spans import Span
from la2ds_cli.compare.tempo import Tempo
from la2ds_cli.compare.view import ViewDifference
from la2ds_cli.compare.words import sentence, tempo_sentence
from la2ds_cli.core.types import FloatArray

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Examples:
    """The good clips that `--examples` named. used: ids of those that were measured against;
    left_out: name -> why not. anomaly: None where there are too few; reason: then why."""

    used: tuple[str, ...]
    left_out: Mapping[str, str]
    anomaly: Anomaly | None
    reason: str = ""


@dataclass(frozen=True)
class CompareResult:
    """aligned: A = the reference, B = the other clip. spans: of the reference, in order. angles:
    per frame of the reference. findings: what can be called a fault, the clearest first; none
    where `no_findings` says why. joints: every joint in every span, and in the whole movement.
    tempo: per span, the whole movement last. notes: what a reader must know first. files: written,
    in order.
    """

    aligned: AlignResult
    spans: tuple[Span, ...]
    view: ViewDifference
    angles: Differences
    findings: tuple[Finding, ...]
    no_findings: str
    joints: tuple[JointSpan, ...]
    tempo: tuple[Tempo, ...]
    notes: tuple[str, ...]
    examples: Examples | None = None
    files: tuple[Path, ...] = ()

    @property
    def other_time(self) -> FloatArray:
        """(N,) seconds of the other clip at each frame of the reference, NaN = no counterpart."""
        found = self.aligned.alignment
        return matched_time(found.position, found.time_b)

    def to_json(self) -> dict[str, Any]:
        """Everything there is, as JSON (docs/compare.md); None stands for "not known"."""
        found, angles = self.aligned.alignment, self.angles
        return {
            "schema_version": SCHEMA_VERSION,
            "reference": {"video": self.aligned.a.id, "path": self.aligned.a.path},
            "other": {"video": self.aligned.b.id, "path": self.aligned.b.path},
            "alignment": {
                "features": found.features,
                "reason": self.aligned.reason,
                "run": self.aligned.run if found.features == "model" else None,
                "method": found.method,
                "mirrored": found.mirrored,
                "mean_confidence": self.aligned.mean_confidence,
            },
            "limits": {"least_degrees": LEAST, "confidence": SURE, "other_view": OTHER_VIEW},
            "notes": list(self.notes),
            "view": {
                "reference": _number(self.view.reference),
                "other": _number(self.view.other),
                "turn": _number(self.view.turn),
                "side_known": self.view.side_known,
            },
            "spans": [asdict(span) for span in self.spans],
            "findings": [{**_plain(asdict(f)), "sentence": sentence(f)} for f in self.findings],
            "no_findings": self.no_findings,
            "joints": [_plain(asdict(row)) for row in self.joints],
            "tempo": [{**_plain(asdict(t)), "sentence": tempo_sentence(t)} for t in self.tempo],
            "examples": None if self.examples is None else _examples_json(self.examples),
            "frames": {
                "index": list(range(len(angles.time))),
                "frame": found.frame_a.tolist(),
                "time": rounded(found.time_a),
                "other_time": rounded(self.other_time),
                "confidence": rounded(found.confidence),
                "turn": rounded(self.view.by_frame, 1),
                "sure": angles.sure.tolist(),
                "joints": {
                    name: {
                        "reference": rounded(angles.reference[:, j], 2),
                        "other": rounded(angles.other[:, j], 2),
                        "difference": rounded(angles.difference[:, j], 2),
                        "floor": rounded(angles.floor[:, j], 2),
                        "beyond": rounded(angles.beyond[:, j], 2),
                    }
                    for j, name in enumerate(angles.names)
                },
            },
            "files": [str(file) for file in self.files],
        }


def _examples_json(examples: Examples) -> dict[str, Any]:
    found = examples.anomaly
    start = {
        "used": list(examples.used),
        "left_out": dict(examples.left_out),
        "reason": examples.reason,
    }
    if found is None:
        return {**start, "score": None}
    return {
        **start,
        "score": _number(found.score),
        "example_scores": dict(zip(examples.used, rounded(found.examples, 3), strict=True)),
        "share_below": _number(found.share_below),
        "driver": found.driver,
        "row": found.row,
        "features": {
            name: {
                "score": _number(float(found.by_feature[j])),
                "unusual": rounded(found.unusual[:, j], 2),
            }
            for j, name in enumerate(found.features)
        },
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: _number(v) if isinstance(v, float) else v for k, v in values.items()}


def _number(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
