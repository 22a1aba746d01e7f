"""A benchmark as it grows. How it reads as tables: la2ds_cli.experiments.benchmark.layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.experiments.benchmark.evaluations import Resamples, mean_interval
from la2ds_cli.experiments.benchmark.paper import Source
from la2ds_cli.experiments.benchmark.tasks import Task
from la2ds_cli.experiments.reproduce.result import Outcome, ResultRow, TableResult, exit_code

SCHEMA_VERSION = 1


@dataclass
class ProjectResult:
    """One project: a row for each method and baseline. source: where its clips come from.
    resampled: row -> resamples of each of its runs that was scored. networks: those whose untrained
    weights were scored."""

    table: TableResult
    source: Source
    resampled: dict[str, list[Resamples]] = field(default_factory=dict)
    networks: list[Any] = field(default_factory=list)

    def row(self, name: str) -> ResultRow | None:
        """A method or a baseline."""
        rows = [*self.table.rows, *self.table.baselines]
        return next((row for row in rows if row.name == name), None)

    def add_sample(self, row: ResultRow, sample: Resamples) -> None:
        """Count one more run into the intervals of its row."""
        runs = self.resampled.setdefault(row.name, [])
        runs.append(sample)
        row.intervals = {
            metric: found
            for metric in runs[0]
            if all(metric in run for run in runs)
            and (found := mean_interval([run[metric] for run in runs])) is not None
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

    def to_json(self) -> dict[str, Any]:
        """The JSON document: rows and runs of every project, and the tables as they are shown."""
        from la2ds_cli.experiments.benchmark.layout import layout
        from la2ds_cli.experiments.benchmark.notes import all_notes

        return {
            "schema_version": SCHEMA_VERSION,
            "benchmark": self.name,
            "title": self.title,
            "facts": self.facts,
            "projects": [p.table.to_json() for p in self.projects],
            "tables": [table.to_json() for table in layout(self)],
            "notes": all_notes(self),
        }

    def write(self, folder: Path) -> list[Path]:
        """Write NAME.md, .csv, .tex, .html and .json; returns their paths."""
        from la2ds_cli.experiments.benchmark.html import html_page
        from la2ds_cli.experiments.benchmark.latex import latex
        from la2ds_cli.experiments.benchmark.text import csv_table, markdown

        paths = [folder / f"{self.name}{end}" for end in (".md", ".csv", ".tex", ".html", ".json")]
        artifact.write_text(paths[0], markdown(self))
        artifact.write_text(paths[1], csv_table(self))
        artifact.write_text(paths[2], latex(self))
        artifact.write_bytes(paths[3], html_page(self))
        artifact.write_json(paths[4], self.to_json())
        return paths
