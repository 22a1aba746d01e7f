"""What axe-core finds wrong with the pages: names, roles, contrast, landmarks; and that nothing is
wider than the window. axe-core is run where it is installed: `npm install -g axe-core`, or its
axe.min.js named by LA2DS_AXE."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.core.artifact import Recipe, write_arrays
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views.alignment_files import write_timeline
from la2ds_cli.views.attempts_files import write
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import READY, Seen, browsed
from tests.studio.marks import drawing
from tests.studio.test_comparisons import compared
from tests.views.report.conftest import two_filmed

FACTS = {"step": 20, "validation_error": 30.0}
LONG = 20 * "long"  # the longest name that a page gives, without blanks
LABELS = (
    f"video,start,end,phase,origin\na,0,12,{LONG},\na,12,36,up,\nb,0,10,{LONG},carried\n"
    f"b,10,20,up,carried\n"
)
DRAWINGS = [
    drawing("a", (30.0, 20.0), (60.0, 200.0)),
    drawing("b", (30.0, 20.0), (60.0, 200.0), (90.0, 40.0)),
]
# Targets of less than 40 pixels on the pages where people work with clips.
SMALL = (
    "[...document.querySelectorAll('main button, main select, .clip-list a, .start input')]"
    ".filter((e) => e.offsetParent && e.offsetHeight < 40).map((e) => e.outerHTML)"
)
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe-core."""
    named = os.environ.get("LA2DS_AXE", "")
    if not named and (npm := shutil.which("npm")):
        folder = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)
        named = f"{folder.stdout.strip()}/axe-core/axe.min.js"
    if not Path(named).is_file():
        pytest.skip("axe-core is not installed: npm install -g axe-core")
    return Path(named).read_text("utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    project = two_filmed(tmp_path_factory.mktemp("accessible"))
    add_sequence(project, "c", sequence(warped_phase(24, 4), fps=20.0))
    project.phases_path.write_text(LABELS)
    project.change_annotations([], DRAWINGS)
    clips = align_all(project, list("abc"), AlignRequest(project.config()))
    write_timeline(project, clips, [], Progress())
    write_run(project)
    write(project, compared(project, "a", "bc"), [], Progress())
    return project


def write_run(project: StoredProject) -> None:
    """A run as training leaves it, with something to warn of."""
    folder = project.run_dir("one")
    folder.mkdir(parents=True)
    recipe = Recipe("train", 1, {"train.steps": 400}, {"clips": "x"})
    (folder / "recipe.json").write_text(json.dumps(recipe.to_json()))
    (folder / "finished.json").write_text('{"warnings": ["few clips to learn from"]}')
    rows = [{"step": n, "loss": 40 / n, "seconds": n, "validation_error": 9.5} for n in (10, 20)]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    for name in ("loss.jsonl", "metrics.jsonl"):
        (folder / name).write_text(text)
    write_arrays(folder / "best.safetensors", {"x": np.zeros(1)}, recipe, FACTS)


def wrong(seen: Seen, axe: str) -> list[str]:
    """Each rule that the page breaks, with the elements that do."""
    seen.page.evaluate(axe)
    found = seen.page.evaluate(
        f"axe.run({{ runOnly: {RULES} }}).then(({{ violations }}) => violations.map((rule) =>"
        " `${rule.id}: ${rule.nodes.slice(0, 4).map((n) => n.html.slice(0, 160)).join(' | ')}"
        " ${rule.nodes[0].any.map((one) => one.message).join(' ').slice(0, 160)}`))"
    )
    return found


def open_clip(seen: Seen) -> None:
    seen.go("/", until="document.querySelectorAll('.clip').length === 3")
    seen.page.click(".clip[data-id=a] button")
    seen.wait_for("document.getElementById('detail').open")


def open_page(seen: Seen, name: str) -> None:
    if name == "clip":
        open_clip(seen)
        return
    paths = {"clips": "/", "pair": "/pair", "phases": "/phases?clip=b"}
    paths |= {"joints": "/joints?clip=a", "search": "/search?clip=a&row=9", "train": "/train"}
    paths["timeline"] = "/timeline?name=timeline&clip=a"
    seen.go(paths.get(name, name), until="true" if name.startswith("/") else READY)
    if name == "search":
        seen.wait_for("document.querySelectorAll('#hits img').length > 0")
    if name == "pair":
        seen.wait_for("!document.getElementById('pair-work').hidden")


PAGES = (
    *("clips", "clip", "pair", "phases", "joints", "search", "timeline", "train"),
    "/pair?a=a&b=a",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_anybody(
    browser: Any, project: StoredProject, axe: str, scheme: str
) -> None:
    broken = []
    with browsed(browser, project, color_scheme=scheme) as seen:
        for name in PAGES:
            open_page(seen, name)
            broken += [f"{name}: {rule}" for rule in wrong(seen, axe)]
        open_page(seen, "phases")
        seen.page.click("#help")
        broken += [f"keys: {rule}" for rule in wrong(seen, axe)]
        open_page(seen, "pair")
        for pressed in ("#drawings button", "#draw-angle"):  # each says how to go on
            seen.page.click(pressed)
            broken += [f"{pressed}: {rule}" for rule in wrong(seen, axe)]
    assert broken == []


def test_an_empty_project_too(browser: Any, tmp_path: Path, axe: str) -> None:
    with browsed(browser, StoredProject.create(tmp_path / "project")) as seen:
        for name in ("clips", "/pair", "/phases", "/search", "/timeline", "train"):
            open_page(seen, name)
            assert wrong(seen, axe) == [], name


def test_nothing_is_wider_than_the_window_and_the_films_stay_in_sight(
    browser: Any, project: StoredProject
) -> None:
    with browsed(browser, project) as seen:
        for width in (390, 1000, 1440, 2560):
            seen.page.set_viewport_size({"width": width, "height": 900})
            for name in PAGES:
                open_page(seen, name)
                wide = seen.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (name, width)
                assert seen.page.evaluate(SMALL) == [], (name, width)
        for width, height in ((1280, 800), (1920, 1080), (760, 1000)):
            check_sight(seen, width, height)


def check_sight(seen: Seen, width: int, height: int) -> None:
    """Films and controls are in sight, and the controls stay there."""
    seen.page.set_viewport_size({"width": width, "height": height})
    open_page(seen, "pair")
    edge = seen.page.locator("#transport").bounding_box()["y"]
    films = seen.page.evaluate("Object.values(stages).map((one) => one.width)")
    assert sum(films) > 0.6 * width
    for name in ("stage-a", "stage-b", "band-a", "band-b", "moment-a", "moment-b"):
        box = seen.page.locator(f"#{name}").bounding_box()
        assert 0 <= box["y"] <= edge - box["height"], name
    for where in (0, 100_000):
        seen.page.evaluate(f"window.scrollTo(0, {where})")
        for name in ("play", "scrub", "correct"):
            box = seen.page.locator(f"#{name}").bounding_box()
            assert 0 <= box["y"] <= height - box["height"], name
    seen.page.click("#correct")
    box = seen.page.locator("#same").bounding_box()
    assert 0 <= box["y"] <= height - box["height"]
