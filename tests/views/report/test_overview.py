"""The page of a project: what it lists, links that lead somewhere, names that stay text."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from PIL import Image as Pillow

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.evaluate import evaluate
from la2ds_cli.training.train import train
from la2ds_cli.views.report.overview import write_overview
from la2ds_cli.views.timeline_figure import write_timeline
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import TINY, six_clips
from tests.views.report.conftest import Opened, add_filmed, report_pair, shaded_video, two_filmed

Open = Callable[..., Opened]


def rows(opened: Opened) -> list[str]:
    return [row.inner_text() for row in opened.page.locator(".clips tbody tr").all()]


def thumbnails(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    return [np.asarray(Pillow.open(io.BytesIO(base64.b64decode(text)))) for text in found]


def test_it_lists_clips_with_pictures_phases_and_pairs(tmp_path: Path, open_page: Open) -> None:
    project = two_filmed(tmp_path)
    project.phases_path.write_text("video,start,end,phase\na,0,12,down\na,12,36,up\n")
    made = report_pair(project, "a", "b")
    found = write_overview(project)
    assert found.file == project.root / "results" / "report" / "index.html"
    assert (found.clips, found.pairs) == (2, 1)
    shades = [image.mean() for image in thumbnails(found.file.read_text("utf-8"))]
    np.testing.assert_allclose(shades, [20 + 6 * 18, 20 + 6 * 15], atol=4)  # the middle frames
    opened = open_page(found.file)
    first, second = rows(opened)
    assert "a.mp4" in first
    assert "1.8 s" in first
    assert "36 frames, 20 fps" in first
    assert "no weakness found" in first
    assert "1.2 s" in second
    assert "30 frames, 25 fps" in second
    bars = opened.page.locator(".clips svg rect title").all_text_contents()
    assert bars == ["down: frames 0 to 11", "up: frames 12 to 35"]
    opened.harmless()
    opened.page.click("text=a.mp4 and b.mp4")
    opened.wait_for("document.body.dataset.ready === 'true'")
    assert opened.page.url == made.file.as_uri()


def test_links_are_relative_to_the_page_and_quoted(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "50% of #1")
    for name in ("a--b", "a", "b--c"):
        add_sequence(project, name, sequence(warped_phase(20, 1)))
    # An id may hold the two dashes: both of these names are one pair.
    made = [report_pair(project, *pair) for pair in (("a--b", "a"), ("a", "b--c"))]
    out = tmp_path / "elsewhere" / "page.html"
    found = write_overview(project, out=out)
    assert found.pairs == 2
    html = out.read_text("utf-8")
    links = [unquote(unescape(link)) for link in re.findall(r'<li><a href="([^"]*)"', html)]
    assert {(out.parent / link).resolve() for link in links} == {report.file for report in made}
    assert "a--b.mat and a.mat" in html
    assert "a.mat and b--c.mat" in html


def test_privacy_draws_the_joints(tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    plain = thumbnails(write_overview(project).file.read_text("utf-8"))
    drawn = thumbnails(write_overview(project, privacy=True).file.read_text("utf-8"))
    assert all(image.std() < 3 for image in plain)  # plain frames
    assert all(30 < image.mean() < 70 for image in drawn)  # limbs on dark ground
    assert all(image.std() > 10 for image in drawn)


def test_a_timeline_is_shown_with_its_figure_and_its_clips(tmp_path: Path, open_page: Open) -> None:
    project = Project.create(tmp_path / "p")
    names = ("anna", "ben", "carl")
    for seed, (name, length, fps) in enumerate(zip(names, (40, 63, 52), (20, 30, 26), strict=True)):
        add_sequence(project, name, sequence(warped_phase(length, seed), fps=fps))
    assert "la2ds timeline" in write_overview(project).file.read_text("utf-8")
    result = align_all(project, names, AlignRequest(project.config(), features="pose"))
    result = write_timeline(project, result, [], Progress())
    folder = project.results_dir("timeline")
    # Written alone, so that the picture of the other does not belong to it.
    document = json.loads((folder / "timeline.json").read_text("utf-8"))
    document |= {"files": [str(folder / "alone.json")], "left_out": {"<b>dora": "no joint"}}
    (folder / "alone.json").write_text(json.dumps(document))
    (folder / "damaged.json").write_text("{}")
    opened = open_page(write_overview(project).file)
    figures = opened.page.locator("img.figure").all()
    assert [figure.evaluate("image => image.naturalWidth") for figure in figures] == [1800]
    part = opened.page.locator("section[aria-labelledby=timelines]")
    text = part.inner_text()
    assert f"3 clips on the timeline of {result.clock.video.name} (" in text
    assert "damaged" in text
    assert "cannot be shown (KeyError: 'reference')" in text
    shown = part.locator("table").first.locator("tbody tr").all_text_contents()
    assert len(shown) == 3
    assert re.search(r"ben\D*\d+ of 63", shown[1])
    assert "carl" in shown[2]
    assert "<b>dora: no joint" in (part.locator("details li").text_content() or "")
    opened.harmless()


def test_runs_and_evaluations_stand_beside_their_baselines(tmp_path: Path, open_page: Open) -> None:
    project = six_clips(tmp_path / "project")
    config = project.config(overrides=TINY)
    result = train(project, run="default", config=config)
    scored = evaluate(project, runs=["default"], protocol="la2ds", config=config)
    opened = open_page(write_overview(project).file)
    runs = opened.page.inner_text("section:has(> #runs)")
    assert f"{result.validation_error:.2f}" in runs
    assert "2 of 2" in runs
    table = opened.page.locator("section:has(> #results) table")
    heads = table.locator("thead th").all_inner_texts()
    baselines = ["base model", "raw pose", "best raw pose", "time only", "untrained network"]
    assert heads[1:] == ["model", *baselines]
    medians = table.locator("tbody tr").first.locator("td").all_inner_texts()
    for cell, row in zip(medians, scored["features"].values(), strict=True):
        assert cell.startswith(f"{row['event_transfer']['median_percent']:.2f}")
    assert table.locator("tbody tr").count() > 8
    assert "time only" in opened.page.inner_text("section:has(> #results) ul")
    opened.harmless()


def test_what_cannot_be_read_is_told_in_its_place(tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    project.pose_path("b").write_bytes(b"no poses")
    folder = project.results_dir("evaluate")
    folder.mkdir(parents=True)
    (folder / "broken.json").write_text("{")
    (folder / "other.json").write_text(json.dumps({"features": ["<b>"]}))
    (folder / "deep.json").write_text("[" * 100_000)
    timelines = project.results_dir("timeline")
    timelines.mkdir()
    (timelines / "deep.json").write_text("[" * 100_000)
    html = write_overview(project).file.read_text("utf-8")
    assert html.count("cannot be shown") == 4
    assert "b.mp4" in html
    assert "b.safetensors is damaged" in html
    assert len(thumbnails(html)) == 1


def test_an_empty_project_says_what_comes_next(tmp_path: Path) -> None:
    html = write_overview(Project.create(tmp_path / "project")).file.read_text("utf-8")
    for command in ("extract-poses", "train", "evaluate", "report A B"):
        assert f"<code>la2ds {command}" in html


def test_hostile_names_are_text(tmp_path: Path, open_page: Open) -> None:
    project = Project.create(tmp_path / "project<script>alert(3)</script>".replace("/", "_"))
    name = "<img src=x onerror=alert(1)>.mp4"
    video = add_filmed(
        project, shaded_video(tmp_path / name, 20), sequence(warped_phase(20, 1)), "a"
    )
    add_sequence(project, "b", sequence(warped_phase(20, 2)))
    project.phases_path.write_text(
        f'video,start,end,phase\n{video},0,20,"><script>alert(2)</script>\n'
    )
    report_pair(project, "a", "b")
    opened = open_page(write_overview(project).file)
    assert opened.page.locator("img").count() == 2  # the thumbnails
    assert opened.page.locator("script").count() == 0
    assert name in rows(opened)[0]
    assert opened.page.inner_text("h1") == project.root.name
    opened.harmless()
