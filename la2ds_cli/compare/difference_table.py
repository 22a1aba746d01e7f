"""Reported differences of two clips as rows: of JSON, and of a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from la2ds_cli.compare.findings import Finding
from la2ds_cli.core.data_frames import make_data_frame

_SECONDS = ("time", "other_time", "start", "end")
_NUMBERS = (
    *_SECONDS,
    *("difference", "reference", "other", "beyond", "trust", "confidence"),
)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values for JSON, with floats converted by plain_number."""
    return {k: plain_number(v) if isinstance(v, float) else v for k, v in values.items()}


def plain_number(value: float) -> float | None:
    """Return the value rounded to four decimals for JSON, None if it is NaN or infinite."""
    return round(value, 4) if np.isfinite(value) else None


def sentence(finding: Finding) -> str:
    """`Left knee: 24° straighter at 1.32 s, in 'rise'`; times of the reference."""
    where = f", in '{finding.span}'" if finding.span else ""
    return f"{finding.label}: {finding.amount} at {finding.time:.2f} s{where}"


def difference_rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the differences as JSON: the fields of Finding, and the `sentence`."""
    return [{**plain(asdict(each)), "sentence": sentence(each)} for each in findings]


def difference_frame(findings: Sequence[Finding]) -> Any:
    """Return a pandas.DataFrame of `difference_rows`, with numbers that are not known as NaN, and
    the columns of none if there are none. Raises UserError (exit 6) without pandas."""
    rows = difference_rows(findings)
    names = [*(field.name for field in fields(Finding)), "sentence"]
    frame = make_data_frame(
        {name: [row[name] for row in rows] for name in names}, dict.fromkeys(_SECONDS, "s")
    )
    return frame.astype(dict.fromkeys(_NUMBERS, float) | {"row": int})
