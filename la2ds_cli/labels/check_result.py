"""Figures of a check, as a JSON document, a table of boundaries and lines for the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import interval, resampled_medians, video_counts
from la2ds_cli.labels.check import BoundaryError, Check, Scored

FRAME_BINS = (0.0, 0.5, 0.8, 0.95, 1.0)


def check_json(check: Check) -> dict[str, Any]:
    """All figures. Errors in percent are of the number of frames of the clip carried to."""
    return {
        "schema_version": 1,
        "features": check.features,
        "run": check.run if check.features == "model" else None,
        "videos": len(check.videos),
        "sources": len(check.sources),
        "draws": check.draws,
        "seed": check.seed,
        "rows": [_row(one, check) for one in check.scored],
        "calibration": [_calibration(one) for one in check.scored if one.name == "carried"],
        "items": [item.to_json() for item in check.items],
        "warnings": check.warnings,
    }


def _known(errors: Sequence[BoundaryError]) -> list[BoundaryError]:
    return [error for error in errors if not np.isnan(error.frames)]


def _row(one: Scored, check: Check) -> dict[str, Any]:
    known = _known(one.errors)
    percent = np.array([error.percent for error in known])
    spread = _interval(percent, [error.video for error in known], check) if known else None
    figures: dict[str, Any] = {}
    for name in ("percent", "frames", "seconds"):
        values = np.array([getattr(error, name) for error in known])
        figures[f"median_{name}"] = float(np.median(values)) if known else None
        figures[f"mean_{name}"] = float(values.mean()) if known else None
    return {
        "name": one.name,
        "variant": one.variant,
        "votes": one.votes,
        **figures,
        "p90_percent": float(np.percentile(percent, 90)) if known else None,
        "interval_percent": list(spread) if spread else None,
        "boundaries": len(one.errors),
        "not_carried": len(one.errors) - len(known),
        "frames_right": float(one.right.mean()) if len(one.right) else None,
        "by_boundary": _by_boundary(known),
    }


def _interval(
    percent: FloatArray, videos: Sequence[str], check: Check
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the median over the clips carried to."""
    counts = video_counts(len(check.videos), check.seed)
    always = np.hstack([counts, np.ones((len(counts), 1), counts.dtype)])
    clip = np.array([check.videos.index(video) for video in videos])
    one = np.full(len(clip), len(check.videos))
    return interval(resampled_medians(percent, clip, one, always))


def _by_boundary(known: Sequence[BoundaryError]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[float]] = {}
    for error in known:
        groups.setdefault(f"{error.phase} {error.side}", []).append(error.percent)
    return {
        name: {
            "median_percent": float(np.median(group)),
            "mean_percent": float(np.mean(group)),
            "boundaries": len(group),
        }
        for name, group in sorted(groups.items())
    }


def _calibration(one: Scored) -> dict[str, Any]:
    """Whether errors fall as confidence rises. quarters: boundaries by confidence, lowest first.
    covered: share of labels inside the 90 % interval. frames: labelled frames by the probability
    of their phase."""
    known = sorted(_known(one.errors), key=lambda error: error.confidence)
    bins = [[known[n] for n in part] for part in np.array_split(np.arange(len(known)), 4)]
    return {
        "votes": one.votes,
        "covered": float(np.mean([error.covered for error in known])) if known else None,
        "rank_correlation": _rank_correlation(known),
        "quarters": [
            {
                "confidence": float(np.mean([error.confidence for error in part])),
                "within_5_percent": float(np.mean([e.percent <= 100 * NEAR for e in part])),
                "mean_percent": float(np.mean([error.percent for error in part])),
                "median_percent": float(np.median([error.percent for error in part])),
                "boundaries": len(part),
            }
            for part in bins
            if part
        ],
        "frames": [
            {
                "from": low,
                "to": high,
                "confidence": float(one.sure[inside].mean()),
                "right": float(one.right[inside].mean()),
                "frames": int(inside.sum()),
            }
            for low, high in pairwise(FRAME_BINS)
            if (inside := (one.sure >= low) & ((one.sure < high) | (high == 1))).any()
        ],
    }


def _rank_correlation(known: Sequence[BoundaryError]) -> float | None:
    """Spearman's, of confidence with error: -1 = the surer, the nearer."""
    if len(known) < 3:
        return None
    from scipy.stats import rankdata

    ranks = rankdata([[error.confidence, error.percent] for error in known], axis=0)
    if (ranks == ranks[0]).all(axis=0).any():
        return None
    return float(np.corrcoef(ranks.T)[0, 1])


def errors_text(check: Check) -> str:
    """CSV of every boundary of every row; `frames`, `seconds`, `percent` empty where it was not
    carried."""
    rows = []
    for one in check.scored:
        for error in one.errors:
            shown = ["" if value != value else value for value in astuple(error)]
            shown = [round(v, 6) if isinstance(v, float) else v for v in shown]
            rows.append([one.name, one.votes, *shown])
    return table_text(["name", "votes", *(field.name for field in fields(BoundaryError))], rows)


def write_check(check: Check, folder: Path) -> tuple[Path, Path]:
    """check.json and check-boundaries.csv in `folder`."""
    paths = folder / "check.json", folder / "check-boundaries.csv"
    artifact.write_json(paths[0], check_json(check))
    artifact.write_text(paths[1], errors_text(check))
    return paths
