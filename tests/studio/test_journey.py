"""The way of a newcomer: from two videos to a video side by side, on the page alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.annotations import ANCHOR
from la2ds_cli.core.project import Project
from la2ds_cli.demo.clips import write_demo_clips
from la2ds_cli.video.reader import probe
from tests.movement import sequence, warped_phase
from tests.studio.browsing import TOKEN, Seen, browsed, served, watched
from tests.studio.marks import shown
from tests.studio.test_command import ROOT, link_of
from tests.views.report.conftest import add_filmed, shaded_video, two_filmed

NAMES = ("raise", "turn", "rest")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[str]:
    """The link of a `la2ds studio` of a new project."""
    Project.create(tmp_path / "project", {"preset": "demo"})  # its network is there offline
    path = os.pathsep.join([str(ROOT), str(ROOT / "models")])
    command = "from la2ds_cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "studio", "--no-browser", "--project", "project"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    yield link_of(process)
    process.terminate()
    process.wait(20)


def test_from_two_videos_to_one_side_by_side(browser: Any, studio: str, tmp_path: Path) -> None:
    videos = [clip.path for clip in write_demo_clips(tmp_path / "filmed", 2)]
    with watched(browser, studio.partition("/?")[0], width=1440) as seen:
        page = seen.page
        page.goto(studio)
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert "There are no clips yet" in page.inner_text("main")

        page.set_input_files("#files", [str(path) for path in videos])
        seen.wait_for("document.querySelectorAll('.clip img[src]').length === 2")
        seen.wait_for("document.querySelector('#work').hidden")
        assert page.inner_text("#coming") == ""

        page.click("text=See them in step")
        page.wait_for_url("**/pair?**")
        seen.wait_for("document.body.dataset.ready === 'true'")
        a, b = sides(seen)
        assert a != b
        row, right = 40, correct(seen, 40)
        assert page.evaluate("data.position")[row] == right

        page.click("text=Label the phases of A")
        page.wait_for_url("**/phases?**")
        label(seen, row)
        page.click("#carry")
        seen.wait_for("/labelled 1 clip/.test(document.getElementById('carried').textContent)")
        seen.wait_for("/3 phases, 3 propagated/.test(document.getElementById('clips').textContent)")
        assert "To review" in page.inner_text("#review-heading")

        page.click("nav >> text=Pair")
        page.select_option("select[name=a]", a)
        page.select_option("select[name=b]", b)
        page.click("text=Align them")
        page.wait_for_url("**/pair?**")
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert page.evaluate("data.anchors.length") == 1
        page.click("#exports button[data-kind=video]")
        seen.wait_for("document.querySelectorAll('#exported a').length === 1")
        with page.expect_download() as download:
            page.click("#exported a")
        saved = tmp_path / "side.mp4"
        download.value.save_as(saved)
        assert seen.errors == []

    project = Project.open(tmp_path / "project")
    assert shown(project, ANCHOR, a, b) == [((row, right), "")]
    assert [phase.name for phase in project.phases()[a]] == list(NAMES)
    assert [phase.name for phase in project.phases(propagated=True)[b]] == list(NAMES)
    assert probe(saved).width > 2 * probe(videos[0]).width


def told(number: int, state: str, **facts: Any) -> str:
    """An event of a job."""
    job = {"number": number, "title": "joints", "state": state, "about": {}, "items": []}
    job |= {"share": None, "task": "", "error": "", "result": None}
    return f"data: {json.dumps(job | facts)}\n\n"


def tell(seen: Seen, *events: str) -> None:
    """Answer requests for events by these; the last stays."""
    left = list(events)
    seen.page.route(
        "**/events",
        lambda route: route.fulfill(
            body=f"retry: 100\n{left.pop(0) if len(left) > 1 else left[0]}",
            content_type="text/event-stream",
        ),
    )


def test_the_clips_page_follows_the_work_of_the_studio(browser: Any, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    (project.root / "videos").mkdir()
    for name in ("a", "b"):
        shutil.copy(shaded_video(tmp_path / f"{name}.mp4", 12), project.root / "videos")
    about = {"files": ["a.mp4", "b.mp4"]}
    with browsed(browser, project) as seen:
        seen.wait_for("document.body.dataset.ready === 'true'")
        assert not seen.page.is_visible("#work")

        tell(seen, told(7, "running", about=about))  # a clip is shown as soon as it has joints
        seen.go("/")
        seen.wait_for("document.querySelectorAll('#coming li progress').length === 2")
        add_filmed(project, project.root / "videos" / "a.mp4", sequence(warped_phase(12, 1)))
        tell(seen, told(7, "running", about=about, items=[{"path": "a.mp4", "status": "ok"}]))
        seen.wait_for("document.querySelectorAll('.clip').length === 1")
        seen.wait_for("document.querySelectorAll('#coming li progress').length === 1")
        assert "b.mp4" in seen.page.inner_text("#coming")

        tell(seen, told(7, "running", share=0.1), told(7, "running", share=0.9))
        seen.wait_for("document.querySelector('#work progress')?.value === 0.1")
        seen.page.focus("#work button")  # which stays while the work goes on
        seen.wait_for("document.querySelector('#work progress').value === 0.9")
        assert seen.page.evaluate("document.activeElement.textContent") == "Cancel"
        seen.page.keyboard.press("Enter")
        seen.wait_for("!document.getElementById('problem').hidden")
        assert "this job has ended" in seen.page.inner_text("#problem")

        tell(seen, told(7, "running") + told(8, "waiting", title="training default"))
        seen.page.click("text=1 waiting")
        with seen.page.expect_request("**/jobs/8/cancel"):
            seen.page.click("#work li button")
        tell(seen, told(7, "done"))
        seen.wait_for("!document.querySelector('#work li')")
        assert "training default" in seen.page.inner_text("#work")

        seen.page.unroute("**/events")
        (project.root / "videos" / "broken.mp4").write_bytes(b"this is not a video")
        seen.go("/")
        seen.page.click("[aria-label='Find its joints: broken.mp4']")
        seen.wait_for("!document.getElementById('problem').hidden")
        seen.page.wait_for_timeout(1000)  # longer than the list of clips takes to be loaded again
        assert "broken.mp4" in seen.page.inner_text("#problem")


def test_a_studio_that_has_ended_is_said_to_be_gone(browser: Any, tmp_path: Path) -> None:
    with contextlib.ExitStack() as studio:
        address = studio.enter_context(served(Project.create(tmp_path / "project")))
        with watched(browser, address) as seen:
            seen.go(f"/?token={TOKEN}")
            seen.wait_for("document.body.dataset.ready === 'true'")
            studio.close()
            seen.wait_for("/No connection/.test(document.getElementById('work').innerText)")


def test_a_clip_that_is_changed_says_so_until_it_ends(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    (project.root / "videos").mkdir(exist_ok=True)
    (project.root / "videos" / "new.mp4").write_bytes(b"no film")
    endings = {"done": "joints: done", "cancelled": "joints: cancelled", "failed": ""}
    with browsed(browser, project) as seen:
        seen.page.route(
            "**/read", lambda route: route.fulfill(json={"number": 7, "title": "joints"})
        )
        for state, said in endings.items():
            tell(seen, told(7, "running"))
            seen.go("/")
            seen.page.click(".clip[data-id=a] button")
            seen.page.click("text=Read it like this")
            seen.wait_for("document.getElementById('toast').textContent === 'joints: in progress'")
            tell(seen, told(7, state, error="no person found"))
            if said:
                seen.wait_for(f"document.getElementById('toast').textContent === '{said}'")
        seen.wait_for("document.getElementById('toast').hidden")
        assert "no person found" in seen.page.inner_text("#problem")

        for n, focused in enumerate(FOCUSED):  # and the focus stays where it is
            tell(seen, told(7, "running"), told(7, "running", share=0.5), told(7, "done"))
            seen.go("/")
            seen.wait_for("document.querySelectorAll('.clip').length === 2")
            seen.page.focus(focused)
            project.mark_video("a", split="test", group=f"ann {n}")
            seen.wait_for(f"/ann {n}/.test(document.querySelector('.clip[data-id=a]').innerText)")
            assert seen.page.evaluate("(it) => document.activeElement.matches(it)", focused)


FOCUSED = (".clip[data-id=b] > button", "[aria-label='Delete the file: new.mp4']")


def sides(seen: Seen) -> list[str]:
    work = "document.getElementById('pair-work').dataset"
    return seen.page.evaluate(f"['a', 'b'].map((side) => {work}[side])")


def correct(seen: Seen, row: int) -> int:
    """Drag B, alone, three frames on from what was found for a frame of A; where it is then."""
    page = seen.page
    page.evaluate("row => seek(row)", row)
    right = page.evaluate("state.rowB") + 3
    page.click("text=Correct this match")
    box = page.locator("#band-b").bounding_box()
    share = "row => ((B.edges[row] + B.edges[row + 1]) / 2 - B.start) / (B.end - B.start)"
    place = lambda at: box["x"] + box["width"] * page.evaluate(share, at)  # noqa: E731
    page.mouse.move(place(right - 3), box["y"] + 8)
    page.mouse.down()
    for at in (right - 1, right + 2, right):
        page.mouse.move(place(at), box["y"] + 8)
    page.mouse.up()
    assert page.evaluate("[state.row, state.free]") == [row, right]
    page.click("text=These are the same moment")
    seen.wait_for("data.anchors.length === 1 && state.free === null")
    return right


def label(seen: Seen, row: int) -> None:
    """Name three phases, and label them by keys: from the first frame, from `row`, and later."""
    page = seen.page
    seen.wait_for("document.body.dataset.ready === 'true'")
    for name in NAMES:
        page.fill("#name", name)
        page.press("#name", "Enter")
    page.keyboard.press("1")
    for _ in range(row // 10):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("2")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("3")
    seen.wait_for("document.getElementById('saved').textContent === 'saved'")
