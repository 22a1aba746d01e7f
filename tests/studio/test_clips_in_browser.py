"""The page of clips in a real browser: what it says of the studio's work, and clips that go."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from la2ds_cli.core.stored_project import StoredProject
from tests.movement import sequence, warped_phase
from tests.studio.browsing import TOKEN, Seen, browsed, served, watched
from tests.views.report.conftest import add_filmed, shaded_video, two_filmed

FOCUSED = (".clip[data-id=b] > button", "[aria-label='Delete the file: new.mp4']")
LEAVING = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"


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


def test_the_page_says_what_the_studio_does_until_it_has_ended(
    browser: Any, tmp_path: Path
) -> None:
    project = StoredProject.create(tmp_path / "project")
    (project.root / "videos").mkdir()
    for name in ("a", "b"):
        shutil.copy(shaded_video(tmp_path / f"{name}.mp4", 12), project.root / "videos")
    with contextlib.ExitStack() as studio:
        address = studio.enter_context(served(project))
        with watched(browser, address) as seen:
            seen.go(f"/?token={TOKEN}")
            assert not seen.page.is_visible("#work")
            follow_an_extraction(seen, project)
            cancel_jobs(seen)
            seen.page.unroute("**/events")
            (project.root / "videos" / "broken.mp4").write_bytes(b"this is not a video")
            seen.go("/")
            seen.page.click("[aria-label='Find its joints: broken.mp4']")
            seen.trouble()
            seen.page.wait_for_timeout(1000)  # longer than the list of clips takes to come again
            assert "broken.mp4" in seen.page.inner_text("#problem")
            studio.close()
            seen.wait_for_text("work", "No connection")


def follow_an_extraction(seen: Seen, project: StoredProject) -> None:
    """A clip is shown as soon as it has joints."""
    about = {"files": ["a.mp4", "b.mp4"]}
    tell(seen, told(7, "running", about=about))
    seen.go("/", until="document.querySelectorAll('#coming li progress').length === 2")
    add_filmed(project, project.root / "videos" / "a.mp4", sequence(warped_phase(12, 1)))
    tell(seen, told(7, "running", about=about, items=[{"path": "a.mp4", "status": "ok"}]))
    seen.wait_for("document.querySelectorAll('.clip').length === 1")
    seen.wait_for("document.querySelectorAll('#coming li progress').length === 1")
    assert "b.mp4" in seen.page.inner_text("#coming")


def cancel_jobs(seen: Seen) -> None:
    tell(seen, told(7, "running", share=0.1), told(7, "running", share=0.9))
    seen.wait_for("document.querySelector('#work progress')?.value === 0.1")
    seen.page.focus("#work button")  # which stays while the work goes on
    seen.wait_for("document.querySelector('#work progress').value === 0.9")
    assert seen.page.evaluate("document.activeElement.textContent") == "Cancel"
    seen.press("Enter")
    assert "this job has ended" in seen.trouble()
    tell(seen, told(7, "running") + told(8, "waiting", title="training default"))
    seen.page.click("text=1 waiting")
    with seen.page.expect_request("**/jobs/8/cancel"):
        seen.page.click("#work li button")
    tell(seen, told(7, "done"))
    seen.wait_for("!document.querySelector('#work li')")
    assert "training default" in seen.page.inner_text("#work")


def test_clips_are_changed_and_removed(browser: Any, tmp_path: Path) -> None:
    project = two_filmed(tmp_path)
    (project.root / "videos").mkdir(exist_ok=True)
    (project.root / "videos" / "new.mp4").write_bytes(b"no film")
    with served(project) as address, watched(browser, address, cache=True) as seen:
        seen.go(f"/?token={TOKEN}")
        seen.page.click(".clip[data-id=a] button")
        project.mark_video("a", split="", group="anna")  # by hand, meanwhile
        seen.page.select_option("#detail select >> nth=-1", "test")
        seen.wait_for_text("clips", "test · anna")
        seen.press("Escape")
        assert not seen.page.evaluate(LEAVING)
        read_again(seen)
        keep_the_focus(seen, project)
        seen.page.route("**/clips/files/*", lambda _: None, times=1)  # it takes long
        seen.page.set_input_files("#files", tmp_path / "a.mp4")
        assert seen.page.evaluate(LEAVING)
        seen.check()
    with served(project) as address, watched(browser, address, cache=True) as seen:
        seen.go(f"/?token={TOKEN}")
        forget_pictures(seen, project)


def test_nothing_moves_under_the_pointer_when_the_picture_of_a_clip_comes(
    browser: Any, tmp_path: Path
) -> None:
    held: list[Any] = []
    with browsed(browser, two_filmed(tmp_path)) as seen:
        page = seen.page
        seen.go("/")
        page.route("**/clips/a/strip/*", lambda route: held.append(route))
        page.click(".clip[data-id=a] button")
        page.wait_for_timeout(500)
        apply = page.locator("text=Apply")
        early = apply.bounding_box() if apply.is_visible() else None  # it may wait for the picture
        for route in held:
            route.continue_()
        apply.wait_for()
        seen.wait_for("document.querySelector('#detail .stage img').complete")
        assert held
        assert early in (None, apply.bounding_box())
        seen.check()


def forget_pictures(seen: Seen, project: StoredProject) -> None:
    """The browser has none of a clip that is removed."""
    seen.go("/phases?clip=a", until="Boolean(document.getElementById('stage-a').dataset.picture)")
    data = seen.page.evaluate("fetch('/phases/data?clip=a').then((answer) => answer.json())")
    address = f"{data['clip']['pictures']['address']}/0"
    assert cached(seen, address)
    seen.go("/")
    for answer in ("dismiss", "accept"):
        assert [video.id for video in project.videos()] == ["a", "b"]
        seen.page.once("dialog", lambda dialog, answer=answer: getattr(dialog, answer)())
        seen.page.click(".clip[data-id=a] button")
        seen.page.click("text=Remove from the project")
        seen.press("Escape")
    seen.wait_for_text("toast", "was removed, with its pictures")
    assert not cached(seen, address)
    assert not project.film_dir("a").exists()
    seen.wait_for("document.querySelectorAll('.clip').length === 1")


def cached(seen: Seen, address: str) -> bool:
    """Whether the browser has what an address gave, without asking the studio."""
    return seen.page.evaluate(
        "address => fetch(address, { cache: 'only-if-cached', mode: 'same-origin' })"
        ".then((answer) => answer.ok, () => false)",
        address,
    )


def read_again(seen: Seen) -> None:
    """That a clip is changed is said until it ends."""
    seen.page.route("**/read", lambda route: route.fulfill(json={"number": 7, "title": "joints"}))
    for state in ("done", "failed"):
        tell(seen, told(7, "running"))
        seen.go("/")
        seen.page.click(".clip[data-id=a] button")
        seen.page.click("text=Apply")
        seen.wait_for_text("toast", "joints: in progress")
        tell(seen, told(7, state, error="no person found"))
        if state == "done":
            seen.wait_for_text("toast", "joints: done")
    seen.wait_for("document.getElementById('toast').hidden")
    assert "no person found" in seen.page.inner_text("#problem")


def keep_the_focus(seen: Seen, project: StoredProject) -> None:
    """Where it is, while the list is loaded again."""
    for n, focused in enumerate(FOCUSED):
        tell(seen, told(7, "running"))
        seen.go("/", until="document.querySelectorAll('.clip').length === 2")
        seen.page.focus(focused)
        project.mark_video("a", split="test", group=f"ann {n}")
        tell(seen, told(7, "running", share=0.5), told(7, "done"))
        seen.wait_for_text("clips", f"ann {n}")
        assert seen.page.evaluate("(it) => document.activeElement.matches(it)", focused)
