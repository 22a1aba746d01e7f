"""A comparison as CSV: one row for every frame of the reference and joint."""

from __future__ import annotations

import numpy as np

from la2ds_cli.compare.result import CompareResult
from la2ds_cli.compare.spans import span_at
from la2ds_cli.core.csv_tables import table_text

COLUMNS = (
    *("index", "frame", "time", "other_time", "span", "joint", "reference", "other"),
    *("difference", "floor", "beyond", "confidence", "sure", "unusual"),
)


def csv_text(result: CompareResult) -> str:
    """Columns as in docs/compare.md; an empty cell = not known."""
    angles, found = result.angles, result.aligned.alignment
    other_time = result.other_time
    anomaly = result.examples.anomaly if result.examples else None
    rows = []
    for n in range(len(angles.time)):
        for j, joint in enumerate(angles.names):
            rows.append(
                (
                    n,
                    int(found.frame_a[n]),
                    _text(found.time_a[n], 6),
                    _text(other_time[n], 6),
                    span_at(result.spans, n),
                    joint,
                    _text(angles.reference[n, j]),
                    _text(angles.other[n, j]),
                    _text(angles.difference[n, j]),
                    _text(angles.floor[n, j]),
                    _text(angles.beyond[n, j]),
                    _text(found.confidence[n], 4),
                    int(angles.sure[n]),
                    _text(anomaly.unusual[n, j]) if anomaly else "",
                )
            )
    return table_text(COLUMNS, rows)


def _text(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else ""
