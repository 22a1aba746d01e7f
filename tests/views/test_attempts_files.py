"""The page, the table and the JSON of several attempts."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.attempts import (
    AttemptsResult,
    compare_attempts,
    series_name,
    series_sentence,
)
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import attempts_figure, attempts_files
from tests.compare.performers import film, label, performance, project_of, slowed, steady

PHASE = steady()
DEGREES = (-46, -41, -37, -30, -26, -20)
TIMES = (2.0, 1.8, 1.65, 1.5, 1.35, 1.2)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Attempts of several rates in which a fault fades and a part comes near to the reference's
    tempo; of the first there is a video."""
    root = tmp_path_factory.mktemp("attempts")
    clips: dict[str, Any] = {}
    for n, (degrees, times) in enumerate(zip(DEGREES, TIMES, strict=True)):
        fps = (25.0, 30.0, 24.0)[n % 3]
        phase = slowed("rise", times, round(3 * fps))
        fault: dict[str, Any] = {"change": "right_knee", "degrees": degrees}
        clips[f"try-{n}"] = performance(phase, fps=fps, noise=0.5, seed=n, **fault)
        if n == 0:
            film(root / "try-0.mp4", phase, fps=fps, **fault)
    made = project_of(root / "project", coach=performance(PHASE, noise=0.5), **clips)
    label(made, coach=PHASE)
    path = str(root / "try-0.mp4")
    made.add_videos([replace(v, path=path) for v in made.videos() if v.id == "try-0"])
    return made


@pytest.fixture(scope="module")
def result(project: Project) -> AttemptsResult:
    names = [f"try-{n}" for n in range(len(DEGREES))]
    return compare_attempts(project, "coach", names, AlignRequest(project.config()))


@pytest.fixture(scope="module")
def text(project: Project, result: AttemptsResult) -> str:
    return attempts_files.page(project, result, Progress()).decode()


def test_the_page_says_every_series_once_and_in_its_table(
    text: str, result: AttemptsResult
) -> None:
    from html import unescape

    page = unescape(re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL))
    assert {series.kind for series in result.series} == {"angle", "tempo"}
    for series in result.series:
        assert page.count(series_sentence(series, len(DEGREES))) == 1
    assert "2 differences found in two or more attempts: 2 fade, 0 grow." in page
    assert page.count("<circle") == sum(series.trend.count for series in result.series)
    assert page.count('class="trend"') == 2
    assert len(re.findall(r"<th scope=\"row\">\d  try-\d", page)) == len(DEGREES)
    assert "style=" not in text
    assert not re.search(r"https?:", text)


def test_a_picture_has_a_chart_of_each_series(project: Project, result: AttemptsResult) -> None:
    drawn = attempts_figure.draw(result)
    charts = {axes.get_title(loc="left"): axes for axes in drawn.axes if axes.axison}
    assert list(charts) == [series_name(series) for series in result.series]
    for axes, series in zip(charts.values(), result.series, strict=True):
        curve, trend = (np.asarray(line.get_xydata()) for line in axes.lines[1:])
        np.testing.assert_allclose(curve[:, 1], series.value[~np.isnan(series.value)])
        assert len(trend) == 2
    targets = [project.root / f"attempts{kind}" for kind in (".png", ".svg", ".pdf")]
    attempts_files.write(project, result, targets, Progress())
    for target, start in zip(targets, (b"\x89PNG", b"<?xml", b"%PDF"), strict=True):
        assert target.read_bytes().startswith(start)
    none = attempts_figure.draw(replace(result, series=()))
    assert not none.axes
    assert len(none.texts) == 2


def test_every_attempt_has_its_picture_beside_the_reference(
    project: Project, text: str, result: AttemptsResult
) -> None:
    pictures = re.findall(r"base64,[A-Za-z0-9+/=]+", text)
    assert len(pictures) == len(result.series) * (1 + len(DEGREES))
    drawn = attempts_files.page(project, result, Progress(), privacy=True).decode()
    shared = set(pictures) & set(re.findall(r"base64,[A-Za-z0-9+/=]+", drawn))
    assert len(shared) == len(set(pictures)) - len(result.series)  # all but the filmed attempt


def test_names_are_text(project: Project, result: AttemptsResult) -> None:
    first = result.attempts[0]
    b = replace(first.aligned.b, path="<script>alert(1)</script>.mp4")
    named = replace(first, aligned=replace(first.aligned, b=b))
    changed = replace(
        result,
        attempts=(named, *result.attempts[1:]),
        left_out={"<img src=x>": "<b>gone</b>"},
    )
    page = attempts_files.page(project, changed, Progress()).decode()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "<b>gone" not in page
    assert "&lt;b&gt;gone" in page


def test_json_and_table_hold_the_same_numbers(result: AttemptsResult) -> None:
    written = json.loads(json.dumps(result.to_json()))
    assert [one["number"] for one in written["attempts"]] == list(range(1, 7))
    rows = list(csv.DictReader(io.StringIO(attempts_files.csv_text(result))))
    assert tuple(rows[0]) == attempts_files.COLUMNS
    assert len(rows) == len(DEGREES) * len(written["series"])
    for k, series in enumerate(written["series"]):
        assert len(series["values"]) == len(DEGREES)
        own = rows[k * len(DEGREES) : (k + 1) * len(DEGREES)]
        for n, (row, value) in enumerate(zip(own, series["values"], strict=True), start=1):
            assert (row["attempt"], row["kind"], row["part"]) == (
                str(n),
                series["kind"],
                series["span"],
            )
            assert row["value"] == ("" if value is None else f"{value:.4f}")
            assert row["verdict"] == series["trend"]["verdict"] == "fades"
            assert float(row["p_adjusted"]) == pytest.approx(series["trend"]["adjusted"], abs=1e-4)
    knee = written["bands"]["joints"]["right_knee"]
    assert len(knee["median"]) == len(written["bands"]["time"]) == len(PHASE)
    assert set(written["tempo"]) == {"squat", "rise", "wind-up", "throw"}


def test_without_out_three_files_go_to_results(project: Project, result: AttemptsResult) -> None:
    written = attempts_files.write(project, result, [], Progress())
    names = [path.name for path in written.files]
    assert names == ["coach--attempts.html", "coach--attempts.json", "coach--attempts.csv"]
    assert all(path.parent == project.results_dir("compare") for path in written.files)
    assert json.loads(written.files[1].read_text("utf-8"))["files"] == [
        str(path) for path in written.files
    ]


@pytest.fixture
def opened(browser: Any, text: str, tmp_path: Path) -> Iterator[Any]:
    file = tmp_path / "attempts.html"
    file.write_text(text, "utf-8")
    page = browser.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(file.as_uri())
    yield page
    assert told == []
    page.close()


@pytest.mark.parametrize("width", [390, 760, 1000, 1440])
def test_it_fits_every_width(opened: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    cut = opened.evaluate(
        """() => [...document.querySelectorAll('td, tbody th, figcaption, h3')]
          .filter((e) => e.getBoundingClientRect().right > innerWidth
            || e.scrollWidth > e.clientWidth + 1)
          .map((e) => e.textContent)"""
    )
    assert cut == []


def test_no_label_of_a_chart_lies_over_another(opened: Any) -> None:
    opened.set_viewport_size({"width": 1000, "height": 900})
    over = opened.evaluate(
        """() => {
          const found = [];
          for (const chart of document.querySelectorAll('svg.chart')) {
            const boxes = [...chart.querySelectorAll('text')].map((t) => [t.textContent,
              t.getBoundingClientRect()]);
            boxes.forEach(([text, a], n) => boxes.slice(n + 1).forEach(([other, b]) => {
              const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
              const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
              if (wide > 1 && high > 3) found.push(`${text} over ${other}`);
            }));
          }
          return found;
        }"""
    )
    assert over == []
