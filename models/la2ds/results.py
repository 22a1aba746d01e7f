"""What the functions of la2ds return: plain values, and data frames where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from la2ds_cli.core.data_frame import data_frame

if TYPE_CHECKING:
    from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.project import Project as StoredProject
    from la2ds_cli.core.types import EmbeddingSequence
    from la2ds_cli.training.train import TrainResult


class Extracted(NamedTuple):
    """The outcome of every clip that was asked for.

    items: one for each clip, in order, with `path` (as it was named), `video` (its id in the
    project), `status` (`ok`, `cached`, `degraded`, `skipped` or `failed`), `frames`, `code`
    (docs/reference/codes.md), `message` and `hint`.
    """

    items: tuple[ItemResult, ...]

    @property
    def clips(self) -> list[str]:
        """Ids of the clips that later steps can use."""
        return [item.video for item in self.items if item.usable]

    def to_frame(self) -> Any:
        """A pandas.DataFrame, one row for each item; UserError (exit 6) if pandas is missing."""
        return data_frame([item.to_json() for item in self.items])


@dataclass(frozen=True)
class Timeline:
    """Many clips on one timeline, the clock of one of them: 0 is its first frame, 1 its last.

    reference: id of that clip. clips: id -> where it lies, with `frame` and `time` (T,) of its own,
    `position` (T,) float64 in [0, 1], NaN where the timeline does not show a frame, `confidence`
    (T,) that the position is right to 0.05, `mirrored`, `probability` that it shows the movement
    (NaN where that cannot be told), and `repetitions` that it holds. left_out: name -> why it is
    not on the timeline. features: `model`, `base` or `pose`.
    """

    reference: str
    clips: dict[str, PlacedClip]
    left_out: dict[str, str]
    features: str
    _project: StoredProject = field(repr=False, compare=False)
    _result: TimelineResult = field(repr=False, compare=False)

    def seconds_in(self, clip: str, position: float) -> float:
        """The moment of a clip, by its id, in seconds that lies at a position of the timeline.

        NaN where the clip does not show it. Raises KeyError for a clip that is not in `clips`.
        """
        import numpy as np

        placed = self.clips[clip]
        row = placed.row_at(np.array([position]))
        return float(np.interp(row, np.arange(len(placed.time)), placed.time)[0])

    def save(self, *files: str | Path) -> list[Path]:
        """Write pictures and tables as `la2ds timeline --out` does.

        Returns the paths; without `files`, a picture, a table and a JSON file go to
        results/timeline of the project. Raises UserError (exit 2) for another ending, and for a
        file of the project.
        """
        from la2ds_cli.core.output_paths import checked_outputs
        from la2ds_cli.views.alignment_files import A_TIMELINE, write_timeline

        targets = checked_outputs(self._project, map(Path, files), *A_TIMELINE)
        return list(write_timeline(self._project, self._result, targets, Progress()).files)

    def to_json(self) -> dict[str, Any]:
        """The document that `la2ds timeline --json` prints."""
        return self._result.to_json()

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a row for each frame of each clip; UserError (exit 6) without
        pandas. The columns: `video`, `frame`, `time`, `position`, `confidence`."""
        import numpy as np

        names = ("frame", "time", "position", "confidence")
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(one, name) for one in self.clips.values()])
            for name in names
        }
        ids = [id for id, one in self.clips.items() for _ in range(len(one.frame))]
        return data_frame({"video": ids} | columns)


class Trained(NamedTuple):
    """A training run.

    result: with `run`, its name; `steps`, `seconds`, how long it was trained, over all parts of a
    resumed run; `clips`, the number of clips it learned from; `validation_error`, the synthetic
    warp error, the smaller the better, in % of the clip length; `best_step`, the step that had it;
    `raw_pose_error`, the same of raw poses, without training, NaN where it was not measured;
    `checkpoint`, the file of the weights, beside which metrics.jsonl has the course of the training
    (docs/tutorials/train-and-evaluate.md); `already_finished`, if nothing was done; and `warnings`.
    verdict: the sentence on whether the run is better than the base model, not shown to help, or
    worse; empty if they could not be compared.
    """

    result: TrainResult
    verdict: str


class Embedded(NamedTuple):
    """The embeddings of clips by one run.

    run: its name. clips: id -> embedding, with `value` (T, D) float32, one row for each frame,
    `frame` (T,) int64 and `time` (T,) float64 in seconds. items: the outcome of every clip, as in
    Extracted; a clip that failed is not in `clips`.
    """

    run: str
    clips: dict[str, EmbeddingSequence]
    items: tuple[ItemResult, ...]


class Evaluated(NamedTuple):
    """An evaluation: every feature set through every metric of a protocol.

    document: all of it, as `la2ds evaluate --json` prints it (docs/explanation/metrics.md).
    """

    document: dict[str, Any]

    def figures(self) -> list[dict[str, Any]]:
        """Every figure, the feature sets in the order of the table.

        features: whose it is: `model`, `base`, `raw_pose`, `raw_pose_best`, `time_only` or
        `untrained`. metric: its name, such as `event_transfer.median_percent` or
        `phase_classification.10 %`. value: None where it is undefined. low, high: the ends of its
        95 % interval over clips, None where there is none.
        """
        rows = self.document["features"]
        return [figure for name, row in rows.items() for figure in _figures(name, row, ())]

    def value(self, metric: str, features: str = "model") -> float | None:
        """The value of one figure, None where it is undefined.

        Raises KeyError, which lists the metrics there are, for another name.
        """
        values = {f["metric"]: f["value"] for f in self.figures() if f["features"] == features}
        if metric not in values:
            known = ", ".join(values) or "none"
            raise KeyError(f"no figure '{metric}' of '{features}'; there are: {known}")
        return values[metric]

    def to_frame(self) -> Any:
        """A pandas.DataFrame of `figures`; UserError (exit 6) without pandas."""
        return data_frame(self.figures())


def _figures(
    features: str, row: Mapping[str, Any], path: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The figures in a nested row of the document; path: the keys that lead to it."""
    for key, entry in row.items():
        if not isinstance(entry, Mapping):
            continue
        if "value" in entry:
            ends = zip(("low", "high"), entry["interval"] or (None, None), strict=True)
            name = {"features": features, "metric": ".".join((*path, key))}
            yield {**name, "value": entry["value"], **dict(ends)}
        else:
            yield from _figures(features, entry, (*path, key))
