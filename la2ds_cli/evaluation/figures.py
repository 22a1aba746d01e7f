"""The figures of an evaluation, read from the document that `evaluate` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from la2ds_cli.core.data_frames import make_data_frame


class Evaluated(NamedTuple):
    """An evaluation: every metric of a protocol for every feature set.

    document: as `la2ds evaluate --json` prints it (docs/explanation/metrics.md).
    """

    document: dict[str, Any]

    def figures(self) -> list[dict[str, Any]]:
        """Return every figure, by feature set in the order of the table.

        The keys of a figure: `features`, the feature set (`model`, `base`, `raw_pose`,
        `raw_pose_best`, `time_only` or `untrained`, or another method by the name of its folder,
        and beside it `whole_time`); `metric`, such as
        `event_transfer.median_percent` or `phase_classification.10 %`; `value`, None where
        undefined; `low` and `high`, its 95 % interval over clips, None where there is none.
        """
        rows = self.document["features"]
        return [figure for name, row in rows.items() for figure in _figures(name, row, ())]

    def value(self, metric: str, features: str = "model") -> float | None:
        """Return the value of one figure, None where it is undefined.

        Raises KeyError, with the list of metrics, for an unknown name.
        """
        values = {f["metric"]: f["value"] for f in self.figures() if f["features"] == features}
        if metric not in values:
            names = ", ".join(values) or "none"
            raise KeyError(f"no figure '{metric}' for '{features}'; available: {names}")
        return values[metric]

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame of `figures`.

        Raises UserError (exit 6) if pandas is not installed.
        """
        return make_data_frame(self.figures())


def _figures(
    features: str, row: Mapping[str, Any], path: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the figures in a nested row of the document; path: the keys leading to this row."""
    for key, entry in row.items():
        if not isinstance(entry, Mapping):
            continue
        if "value" in entry:
            ends = zip(("low", "high"), entry["interval"] or (None, None), strict=True)
            name = {"features": features, "metric": ".".join((*path, key))}
            yield {**name, "value": entry["value"], **dict(ends)}
        else:
            yield from _figures(features, entry, (*path, key))
