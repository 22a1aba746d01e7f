"""Results of experiments, filled run by run: runs, rows and tables.

They are plain data, which `ablation_table` and `benchmark_pages` write to files.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.experiments.methods import Source
from la2ds_cli.experiments.metrics import METRICS, Scores, Task
from la2ds_cli.experiments.scores import Resamples, mean_interval

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """One run of a row. features: the scored feature set. interval: 95 %, of the headline over the
    scored clips. seed, steps, seconds (of training): None if nothing was trained. reused: the run
    existed before. error: why it has no scores, else empty. collapse: how the embedding has
    collapsed, empty = it has not."""

    run: str
    features: str
    scores: Scores = field(default_factory=dict)
    interval: list[float] | None = None
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    reused: bool = False
    error: str = ""
    collapse: str = ""


@dataclass
class ResultRow:
    """A row and its runs, one per seed. paper: metric -> the paper's figure. note: why there are
    no runs, or what is unusual about them. intervals: metric -> 95 % interval of the mean over the
    runs, over the scored clips and the seeds; empty if not computed."""

    name: str
    label: str
    paper: dict[str, float]
    settings: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    note: str = ""
    intervals: dict[str, list[float]] = field(default_factory=dict)

    def values(self, metric: str) -> list[float]:
        """The value of the metric in every run that has it."""
        values = (outcome.scores.get(metric) for outcome in self.outcomes)
        return [value for value in values if value is not None]


@dataclass
class TableResult:
    """A table. facts: preset, overrides, minutes, seeds, machine, clips, events, protocol."""

    name: str
    title: str
    facts: dict[str, Any]
    rows: list[ResultRow] = field(default_factory=list)
    baselines: list[ResultRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def failures(self) -> list[Outcome]:
        return [o for row in (*self.rows, *self.baselines) for o in row.outcomes if o.error]

    def collapses(self) -> list[str]:
        """A sentence for each run whose embedding has collapsed."""
        collapsed = (o for row in self.rows for o in row.outcomes if o.collapse)
        sentences = (f"{o.run}: the embedding has collapsed, {o.collapse}" for o in collapsed)
        return list(dict.fromkeys(sentences))

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        return exit_code([outcome for row in self.rows for outcome in row.outcomes])

    def to_json(self) -> dict[str, Any]:
        """The JSON document: the rows, with mean and standard deviation over seeds."""
        document = {"schema_version": SCHEMA_VERSION, "table": self.name} | asdict(self)
        for kind in ("rows", "baselines"):
            for plain, row in zip(document[kind], getattr(self, kind), strict=True):
                values = {name: row.values(name) for name in _metrics(row)}
                plain["mean"] = {k: statistics.fmean(v) if v else None for k, v in values.items()}
                plain["spread"] = {
                    k: statistics.stdev(v) if len(v) > 1 else None for k, v in values.items()
                }
        return document


def exit_code(runs: Sequence[Outcome]) -> ExitCode:
    """0 when every run has scores, 8 when some have, 4 when none has."""
    failed = sum(bool(outcome.error) for outcome in runs)
    if runs and not failed:
        return ExitCode.OK
    return ExitCode.PARTIAL if failed < len(runs) else ExitCode.UNUSABLE


def _metrics(row: ResultRow) -> list[str]:
    """METRICS, and the other metrics of the row's runs."""
    scored = (name for outcome in row.outcomes for name in outcome.scores)
    return list(dict.fromkeys([*(metric.name for metric in METRICS), *scored]))


@dataclass(frozen=True)
class Choice:
    """The chosen learning rate of a method. errors: rate -> mean error of event transfer on
    held-out training clips, in % of the clip. failed: rate -> why there is none."""

    rate: float
    errors: dict[float, float]
    failed: dict[float, str] = field(default_factory=dict)

    def __str__(self) -> str:
        tried = [f"{rate:g}: {error:.2f} %" for rate, error in self.errors.items()]
        tried += [f"{rate:g}: failed" for rate in self.failed]
        return f"{self.rate:g} ({', '.join(tried)})"


@dataclass
class ProjectResult:
    """One project: a row for each method and baseline. source: where its clips come from.
    resampled: row -> resamples of each of its scored runs. clips: metric -> the number of clips
    behind it, without those that have no label for it. networks: those whose untrained weights
    were scored. rates: method -> its learning rate, if several were tried. shares_runs: its runs
    are those of the previous project, of which it shows other pairs."""

    table: TableResult
    source: Source
    resampled: dict[str, list[Resamples]] = field(default_factory=dict)
    clips: dict[str, int] = field(default_factory=dict)
    networks: list[Any] = field(default_factory=list)
    rates: dict[str, Choice] = field(default_factory=dict)
    shares_runs: bool = False

    def clips_behind(self, metric: str) -> int:
        """The number of clips behind a metric, of all scored clips if it is not known."""
        return self.clips.get(metric) or int(self.table.facts.get("clips", 2))

    def row(self, name: str) -> ResultRow | None:
        """The row of a method or baseline; None if there is none."""
        rows = [*self.table.rows, *self.table.baselines]
        return next((row for row in rows if row.name == name), None)

    def add_sample(
        self, row: ResultRow, sample: Resamples, clips: Mapping[str, int] | None = None
    ) -> None:
        """Add the resamples of another run, and update the intervals of its row. clips: metric ->
        the number of clips behind it."""
        for metric, count in (clips or {}).items():
            self.clips[metric] = min(count, self.clips.get(metric, count))
        runs = self.resampled.setdefault(row.name, [])
        runs.append(sample)
        row.intervals = {
            metric: ends
            for metric in runs[0]
            if all(metric in run for run in runs)
            and (ends := mean_interval([run[metric] for run in runs])) is not None
        }


@dataclass
class BenchmarkResult:
    """name: stem of its files. tasks: its tables. facts: budget, seeds, settings, machine.
    reads: method -> model.input."""

    name: str
    title: str
    tasks: tuple[Task, ...]
    facts: dict[str, Any]
    projects: list[ProjectResult] = field(default_factory=list)
    reads: dict[str, str] = field(default_factory=dict)

    def outcomes(self) -> list[Outcome]:
        """The runs of all methods."""
        return [o for p in self.projects for row in p.table.rows for o in row.outcomes]

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        return exit_code(self.outcomes())
