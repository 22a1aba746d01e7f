"""The way of a newcomer: from two videos to a video side by side, on the page alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from la2ds_cli.core.annotations import ANCHOR
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.demo.demo_clips import write_demo_clips
from la2ds_cli.video.reader import probe
from tests.studio.browsing import SAVED, Seen, watched
from tests.studio.marks import shown
from tests.studio.test_command import link_of

NAMES = ("raise", "turn", "rest")


def test_from_two_videos_to_one_side_by_side(browser: Any, start: Any, tmp_path: Path) -> None:
    StoredProject.create(tmp_path / "project", {"preset": "demo"})  # its network is there offline
    studio = link_of(start("--project", str(tmp_path / "project")))
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
        seen.arrive("**/pair?**")
        a, b = sides(seen)
        assert a != b
        row, right = 40, correct(seen, 40)
        assert page.evaluate("data.position")[row] == right

        page.click("text=Label the phases of A")
        seen.arrive("**/phases?**")
        label(seen, row)
        page.click("#carry")
        seen.wait_for("/labelled 1 clip/.test(document.getElementById('carried').textContent)")
        seen.wait_for("/3 phases, 3 propagated/.test(document.getElementById('clips').textContent)")
        assert "To review" in page.inner_text("#review-heading")

        page.click("nav >> text=Pair")
        seen.arrive("**/pair")
        assert sides(seen) == [a, b]
        assert page.evaluate("data.anchors.length") == 1
        with page.expect_download() as download:
            page.click("#exports button[data-kind=video]")
        saved = tmp_path / "side.mp4"
        download.value.save_as(saved)
        assert seen.errors == []

    project = StoredProject.open(tmp_path / "project")
    assert shown(project, ANCHOR, a, b) == [((row, right), "")]
    assert [phase.name for phase in project.phases()[a]] == list(NAMES)
    assert [phase.name for phase in project.phases(propagated=True)[b]] == list(NAMES)
    assert probe(saved).width > 2 * probe(videos[0]).width


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
    seen.wait_for(SAVED)
