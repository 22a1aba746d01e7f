"""The figure, the table and the JSON of several attempts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.attempts import AttemptsResult, compare_attempts, series_name
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views import attempts_files
from tests.compare.performers import label, performance, project_of, slowed, steady

PHASE = steady()
DEGREES = (-46, -41, -37, -30, -26, -20)
TIMES = (2.0, 1.8, 1.65, 1.5, 1.35, 1.2)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """Attempts of several rates in which a fault fades and a part comes near to the reference's
    tempo."""
    root = tmp_path_factory.mktemp("attempts")
    clips: dict[str, Any] = {}
    for n, (degrees, times) in enumerate(zip(DEGREES, TIMES, strict=True)):
        fps = (25.0, 30.0, 24.0)[n % 3]
        phase = slowed("rise", times, round(3 * fps))
        fault: dict[str, Any] = {"change": "right_knee", "degrees": degrees}
        clips[f"try-{n}"] = performance(phase, fps=fps, noise=0.5, seed=n, **fault)
    made = project_of(root / "project", coach=performance(PHASE, noise=0.5), **clips)
    label(made, coach=PHASE)
    return made


@pytest.fixture(scope="module")
def result(project: StoredProject) -> AttemptsResult:
    names = [f"try-{n}" for n in range(len(DEGREES))]
    return compare_attempts(project, "coach", names, AlignRequest(project.config()))


def test_a_picture_has_a_chart_of_each_series(
    project: StoredProject, result: AttemptsResult
) -> None:
    drawn = attempts_files.draw(result)
    charts = {axes.get_title(loc="left"): axes for axes in drawn.axes if axes.axison}
    assert list(charts) == [series_name(series) for series in result.series]
    for axes, series in zip(charts.values(), result.series, strict=True):
        curve = np.asarray(axes.lines[1].get_xydata())
        np.testing.assert_allclose(curve[:, 1], series.value)
    target = project.root / "attempts.png"
    attempts_files.write(project, result, [target], Progress())
    assert target.read_bytes().startswith(b"\x89PNG")
    none = attempts_files.draw(replace(result, series=()))
    assert not none.axes
    assert len(none.texts) == 2


def test_json_and_table_hold_the_same_numbers(result: AttemptsResult) -> None:
    written = json.loads(json.dumps(result.to_json()))
    assert [one["number"] for one in written["attempts"]] == list(range(1, 7))
    rows = list(csv.DictReader(io.StringIO(attempts_files.csv_text(result))))
    assert tuple(rows[0]) == attempts_files.COLUMNS
    assert len(rows) == len(DEGREES) * len(written["series"])
    for k, series in enumerate(written["series"]):
        own = rows[k * len(DEGREES) : (k + 1) * len(DEGREES)]
        assert [row["attempt"] for row in own] == list("123456")
        assert {(row["kind"], row["part"]) for row in own} == {(series["kind"], series["span"])}
        values = [None if row["value"] == "" else float(row["value"]) for row in own]
        assert values == series["values"]
