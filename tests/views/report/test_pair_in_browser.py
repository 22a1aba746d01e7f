"""The page of a pair in a real browser: what moves, what it shows, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import within_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views.report.pair import pair_page
from tests.views.report.conftest import Open, Report, counterpart, drawn, report_pair


def test_it_opens_from_the_disk_and_shows_the_matched_frames(pair: Report, open_page: Open) -> None:
    opened = open_page(pair.file)
    assert opened.page.title() == "a.mp4 and b.mp4 · la2ds"
    opened.page.uncheck("#show-skeleton")
    for row in (0, 1, 9, 20, 35):
        opened.seek(row)
        assert opened.frame("a") == opened.row() == row
        assert opened.frame("b") == counterpart(pair, row)
        assert f"frame {row}" in opened.page.inner_text("#moment-a")
        assert f"frame {counterpart(pair, row)}" in opened.page.inner_text("#moment-b")
    # Within one turn of the event loop: frame 25 is asked for while it is decoded for frame 24.
    opened.page.evaluate("() => { seek(24); seek(25); }")
    assert opened.frame("a") == 25
    assert opened.frame("b") == counterpart(pair, 25)
    opened.harmless()


def test_forces_and_events_of_a_capture_run_along_the_film(
    pair: Report, open_page: Open, tmp_path: Path
) -> None:
    """Plate 2 is loaded in the second half of A, from a strike on."""
    before, after = pair.file.read_text().split('id="data">', 1)
    text, after = after.split("</script>", 1)
    data = json.loads(text)
    time = data["a"]["time"]
    loaded = [0] * 18 + [500] * 18
    data["recorded"] = {"time": time, "force": [[0] * 36, loaded],
                        "events": [[time[18], 0.1, "left foot strike"]]}  # fmt: skip
    path = tmp_path / "forces.html"
    path.write_text(f'{before}id="data">{json.dumps(data)}</script>{after}')
    opened = open_page(path)
    value = "document.querySelector('#track-recorded + .value').textContent"
    for row, said in (
        (5, "0 N\n0 N\n"),
        (18, "0 N\n500 N\nleft foot strike"),
        (30, "0 N\n500 N\n"),
    ):
        opened.seek(row)
        assert opened.page.evaluate(value) == said
    paper = opened.pixel("track-recorded", 0.2, 0.7)
    assert opened.pixel("track-recorded", 0.8, 0.7) != paper  # under the force of plate 2
    red, _, blue = opened.pixel("track-recorded", 0.47, 0.1)  # what the strike may be off by
    assert red > blue
    opened.harmless()


def test_a_click_leads_to_its_moment(pair: Report, open_page: Open) -> None:
    opened = open_page(pair.file)
    left, wide = opened.page.evaluate("[matrix.left, matrix.wide]")
    for share in (0.13, 0.51, 0.9):
        opened.click("matrix", share, y=60, left=left, wide=wide)
        row = int(share * 36)  # 36 frames of equal length
        assert opened.row() == row
        assert opened.frame("a") == row
        assert opened.frame("b") == counterpart(pair, row)
    opened.click("band-b", 15.5 / 30)
    assert opened.row() == int(np.nanargmin(np.abs(pair.result.position - 15)))
    assert opened.frame("b") == pytest.approx(15, abs=1)
    opened.click("track-tempo", 18.5 / 36)
    assert opened.row() == 18
    opened.page.click("#forward")
    assert opened.row() == 19
    opened.page.click("#back")
    assert opened.row() == 18


def test_keys(pair: Report, open_page: Open) -> None:
    opened = open_page(pair.file)
    page, press = opened.page, opened.page.keyboard.press
    keys = ("ArrowRight", "Shift+ArrowRight", "End", "ArrowRight", "Home", "ArrowLeft")
    for key, row in zip(keys, (1, 11, 35, 35, 0, 0), strict=True):
        press(key)
        assert opened.row() == row, key
    page.focus("#scrub")
    press("ArrowRight")
    assert opened.row() == 1
    press(" ")
    assert page.inner_text("#play") == "Pause"
    opened.wait_for("document.body.dataset.row === '35'")
    opened.wait_for("document.getElementById('play').textContent === 'Play'")
    assert opened.frame("a") == 35
    page.focus("#play")  # the key then belongs to the button: once, not twice
    press(" ")
    assert page.inner_text("#play") == "Pause"
    press("ArrowRight")
    assert page.inner_text("#play") == "Play"
    press("-")
    assert page.input_value("#rate") == "0.75"
    for _ in range(5):
        press("-")
    assert page.input_value("#rate") == "0.125"
    press("+")
    assert page.input_value("#rate") == "0.25"
    assert drawn(opened, "a") > 200
    press("s")
    assert drawn(opened, "a") == 0
    press("f")
    assert not page.is_checked("#show-film")
    opened.harmless()


def test_the_path_and_the_phases_are_drawn_where_they_are(pair: Report, open_page: Open) -> None:
    opened = open_page(pair.file)
    found = pair.result
    for row in (6, 18, 30):
        x, y, width, height = opened.page.evaluate(
            "([time, position]) => [plot.x(time), plot.y(secondsB(position)), ...matrix.size]",
            [float(found.time_a[row]), float(found.position[row])],
        )
        red, green, blue = opened.pixel("matrix", x / width, y / height)
        assert red > 200, row
        assert 110 < green < 190, row
        assert blue < 90, row
    down, up = (
        [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        for colour in opened.page.evaluate("Object.values(data.colours)")
    )
    for canvas, border in (("band-a", 12 / 36), ("band-b", 10 / 30), ("track-phases-a", 12 / 36)):
        assert opened.pixel(canvas, border - 0.04, 0.1) == down, canvas
        assert opened.pixel(canvas, border + 0.04, 0.1) == up, canvas
    # Phases of B stand where A shows them: at the frame of A whose counterpart begins `up`.
    carried = float((pair.result.position >= 9.5).argmax()) / 36
    assert opened.pixel("track-phases-b", carried - 0.06, 0.1) == down
    assert opened.pixel("track-phases-b", carried + 0.06, 0.1) == up


def page_of(project: StoredProject, result: Alignment, file: Path) -> Path:
    """The page of another result than the one that was found."""
    file.write_bytes(pair_page(project, result, Progress(), privacy=False))
    return file


def test_a_long_name_on_a_narrow_window_moves_no_picture_and_tempo_is_in_words(
    filmed: StoredProject, tmp_path: Path, open_page: Open
) -> None:
    made = report_pair(filmed, "a", "b")
    b = replace(made.result.b, path="a name of many words " * 6 + ".mp4")
    tempo = np.full(36, 2.0)
    tempo[:3] = [-1e-17, 0.0, 0.01]
    result = replace(made.result, b=b, speed_ratio=tempo)
    long = "Durchschwungphase" * 2
    filmed.phases_path.write_text(f"video,start,end,phase\na,0,36,{long}\n")
    opened = open_page(page_of(filmed, result, tmp_path / "long.html"), width=800)
    tops = [opened.page.locator(f"#stage-{side}").bounding_box()["y"] for side in "ab"]
    assert tops[0] == pytest.approx(tops[1], abs=1)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 800
    value = opened.page.locator(".value", has_text="Durchschwung").first
    assert value.evaluate("box => box.scrollWidth <= box.clientWidth")
    for row in range(4):
        opened.seek(row)
        words = "stands still" if row < 3 else "2.00× slower"
        assert opened.page.locator(".value", has_text=words).count() == 1, row
    opened.harmless()


def test_an_unsure_stretch_names_its_longest_interval(
    filmed: StoredProject, tmp_path: Path, open_page: Open
) -> None:
    """Which is not that of the frame that is least sure."""
    made = report_pair(filmed, "a", "b", method="linear")
    sure, high = np.repeat([0.5, 0.99], [9, 27]), made.result.high.copy()
    sure[2], high[7] = 0.4, 29
    unsure = replace(made.result, confidence=sure.astype(np.float32), high=high)
    page = page_of(filmed, unsure, tmp_path / "unsure.html")
    said = f"40 % sure, {within_text(float(unsure.within[7]))}"
    assert open_page(page).page.inner_text("#unsure li").endswith(said)


def test_frames_without_counterpart_grey_b(
    filmed: StoredProject, tmp_path: Path, open_page: Open
) -> None:
    """Frames 0 to 3 and 10 to 13 of A."""
    made = report_pair(filmed, "a", "b", method="linear")
    found = made.result
    gone = np.isin(np.arange(36), [0, 1, 2, 3, 10, 11, 12, 13])
    position = np.where(gone, np.nan, found.position)
    path = found.path[~gone[found.path[:, 0]]]
    result = replace(found, position=position, path=path, cost=found.cost[: len(path)])
    opened = open_page(page_of(filmed, result, tmp_path / "gaps.html"))
    opened.page.uncheck("#show-skeleton")
    assert "B does not show 22 % of A" in opened.page.inner_text("#said")
    for row in (0, 3, 4, 11, 14, 35):
        opened.seek(row)
        assert ("does not show" in opened.page.inner_text("#moment-b")) == gone[row], row
        assert (opened.page.get_attribute("#stage-b", "data-row") == "") == gone[row], row
        assert (opened.page.evaluate("document.body.dataset.rowB") == "") == gone[row], row
    opened.seek(4)
    opened.settle()
    plain = opened.pixel("stage-b")
    opened.seek(3)  # B stays at its nearest matched frame, greyed: dark pictures get lighter
    opened.settle()
    assert np.subtract(opened.pixel("stage-b"), plain).min() > 20
    assert "no counterpart" in opened.page.get_attribute("#stage-b", "aria-label")
    opened.harmless()


def test_curves_take_the_focus_and_arrow_keys_and_are_dark_in_the_dark(
    pair: Report, open_page: Open
) -> None:
    opened = open_page(pair.file)
    for name in ("matrix", "track-tempo", "track-angles"):
        opened.page.locator(f"#{name}").focus()
        row = opened.row()
        opened.page.keyboard.press("ArrowRight")
        assert opened.row() == row + 1
        style = f"getComputedStyle(document.getElementById('{name}'))"
        assert opened.page.evaluate(f"{style}.outlineStyle") == "solid", name
    light = opened.pixel("track-tempo", 0.999, 0.99)
    opened.page.emulate_media(color_scheme="dark")
    opened.wait_for("getComputedStyle(document.body).backgroundColor === 'rgb(20, 24, 27)'")
    opened.page.wait_for_timeout(200)
    assert max(opened.pixel("track-tempo", 0.999, 0.99)) < 80 < min(light)
    opened.harmless()
