"""Two tabs, or a tab and a command, over everything that the studio saves: nobody's work is
replaced by somebody who has not seen it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.testclient import TestClient

from la2ds_cli.core.annotations import NOTE
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.subjects import set_subjects
from la2ds_cli.studio.guard import SAFE
from la2ds_cli.studio.saving import Saves
from tests.studio.browsing import SAVED, asked, browsed, client_of, version_in, version_of
from tests.studio.marks import corrections, draw, put, spans
from tests.views.report.conftest import two_filmed

PAIR = {"a": "a", "b": "b"}
CLIP = {"clip": "a"}


def _label(name: str, end: int) -> dict[str, Any]:
    rows = [{"start": 0, "end": end, "phase": name, "origins": ["person", "person"]}]
    return CLIP | {"rows": rows}


def _joint(*changes: dict[str, Any], frame: int = 4) -> dict[str, Any]:
    return CLIP | {"changes": [{"frame": frame, "joint": "head"} | one for one in changes]}


def _drawn(kind: str, *points: list[int], **more: Any) -> dict[str, Any]:
    return CLIP | {"old": [], "new": [{"kind": kind, "points": list(points), **more}]}


def _set(new: dict[str, Any]) -> dict[str, Any]:
    return PAIR | {"old": [], "new": [new]}


def _note(text: str) -> dict[str, Any]:
    return _set({"kind": "note", "frames": [3, 4], "text": text})


def _relabel(project: StoredProject) -> None:
    project.phases_path.write_text("video,start,end,phase\na,0,9,by hand\nb,3,9,other\n")


def _read_differently(project: StoredProject) -> None:
    with project.tables():
        set_subjects(project, {"a": "2"})


def _another_file(project: StoredProject) -> None:
    """A file of the same name as one that has been seen."""
    path = project.root / "videos" / "new.mp4"
    path.unlink()
    path.write_bytes(b"another recording")


class Change(NamedTuple):
    """A request that replaces or removes what somebody has set.

    bodies: which can follow one another in any order. meanwhile: the same thing is changed by a
    command or by hand.
    """

    method: str
    path: str
    bodies: list[dict[str, Any] | None]
    meanwhile: Callable[[StoredProject], None]


CHANGES = {
    "/joints/save": Change(
        "POST",
        "/joints/save",
        [_joint({"at": [10, 20]}), _joint({"at": None}), _joint({"remove": True})],
        lambda project: put_joint(project, 9),
    ),
    "/joints/draw": Change(
        "POST",
        "/joints/draw",
        [
            _drawn("line", [1, 2], [9, 4]),
            _drawn("circle", [1, 2], [9, 4], frames=[2, 9]),
            _drawn("arrow", [1, 2], [9, 4]),
            _drawn("freehand", [1, 2], [9, 4], [3, 3]),
            _drawn("scale", [1, 2], [9, 4], metres=1.5),
            _drawn("watch", [1, 2], frames=[4, 20]),
        ],
        lambda project: put_line(project),
    ),
    "/phases/save": Change(
        "POST", "/phases/save", [_label("down", 9), _label("up", 20), CLIP | {"rows": []}], _relabel
    ),
    "/pair/change": Change(
        "POST",
        "/pair/change",
        [
            *(_note(text) for text in ("one", "two", "three", "four", "five", "six")),
            _set({"kind": "anchor", "frames": [10, 8]}),
            _set({"kind": "line", "side": "a", "points": [[1, 2], [9, 4]]}),
            _set({"kind": "line", "side": "b", "points": [[1, 2], [3, 5]]}),
            _set({"kind": "circle", "side": "b", "points": [[1, 2], [3, 5]], "frames": [3, 3]}),
        ],
        lambda project: put(project, NOTE, ("a", "b"), (1, 2), "by hand"),
    ),
    "/clips/{id}/mark": Change(
        "POST",
        "/clips/a/mark",
        [{"split": "train"}, {"split": "test"}, {"split": ""}],
        lambda project: project.mark_video("a", split="test", group="by hand"),
    ),
    "/clips/{id}/read": Change(
        "POST", "/clips/a/read", [{"options": {"rotate": 90}}], _read_differently
    ),
    "/clips/{id}/split": Change("POST", "/clips/a/split", [None], _read_differently),
    "/clips/{id}": Change("DELETE", "/clips/a", [None], _read_differently),
    "/clips/files/{name:path}": Change("DELETE", "/clips/files/new.mp4", [None], _another_file),
}
"""Route -> a change that it makes."""

BEGINS = {
    "PUT /clips/files/{name:path}": ("/clips/files/new.mp4", None),
    "POST /clips/extract": ("/clips/extract", {"names": ["new.mp4"]}),
    "POST /clips/refer": ("/clips/refer", {"path": "/nowhere/new.mp4"}),
    "POST /compare": ("/compare", PAIR),
    "POST /attempts/compare": ("/attempts/compare", {"reference": "a", "attempts": ["b"]}),
    "POST /pair/export": ("/pair/export", PAIR | {"kind": "page"}),
    "POST /phases/carry": ("/phases/carry", {}),
    "POST /search/near": ("/search/near", {"clip": "a", "row": 3}),
    "POST /timeline/make": ("/timeline/make", {"clips": ["a", "b"], "reference": None}),
    "POST /train/start": ("/train/start", {}),
    "POST /train/go-on": ("/train/go-on", {"run": "default"}),
    "POST /jobs/{number:int}/cancel": ("/jobs/1/cancel", {}),
}
"""Routes that add files or begin work, and replace nothing that somebody has set: a request."""


def put_joint(project: StoredProject, frame: int = 12) -> None:
    """Correct a joint as the page does, from elsewhere."""
    with asked(project) as elsewhere:
        answer = elsewhere.post("/joints/save", json=_joint({"at": [1, 2]}, frame=frame))
    assert answer.status_code == 200, answer.text


def put_line(project: StoredProject) -> None:
    """Draw another line as the page does, from elsewhere."""
    line = _drawn("line", [2, 2], [7, 7 + len(project.annotations())])
    with asked(project) as elsewhere:
        answer = elsewhere.post("/joints/draw", json=line)
    assert answer.status_code == 200, answer.text


def made(folder: Path) -> StoredProject:
    """A project in which somebody has set something of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    project = two_filmed(folder)
    (project.root / "videos").mkdir(exist_ok=True)
    (project.root / "videos" / "new.mp4").write_bytes(b"a recording")
    project.phases_path.write_text("video,start,end,phase\na,0,9,first\n")
    project.mark_video("a", split="", group="anna")
    draw(project, "a")
    put_joint(project)
    return project


def kept(project: StoredProject) -> dict[str, bytes]:
    """All that people have set or brought."""
    tables = [project.videos_path, project.phases_path, project.annotations_path]
    paths = [*tables, project.subjects_path, *(project.root / "videos").iterdir()]
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def routes(project: StoredProject) -> set[tuple[str, str]]:
    """The requests that may change something: method, address."""
    app: Any = client_of(project).app
    found = (route for route in app.routes if isinstance(route, Route))
    return {
        (method, one.path) for one in found for method in (one.methods or ()) if method not in SAFE
    }


class Tab:
    """A page that stays open: it knows the version of its last answer."""

    def __init__(self, client: TestClient, change: Change) -> None:
        self.client, self.change = client, change
        self.read()

    def read(self) -> None:
        self.known = version_of(self.client, self.change.path, self.change.bodies[0])

    def save(self, body: Any) -> Any:
        method, path = self.change.method, self.change.path
        more = {} if body is None else {"json": body}
        answer = self.client.request(method, path, headers={"if-match": self.known}, **more)
        if answer.status_code == 200:
            self.known = version_in(answer.json(), path)
        return answer


def test_every_route_that_changes_something_is_tried_here(filmed: StoredProject) -> None:
    guarded = {(change.method, path) for path, change in CHANGES.items()}
    begins = {tuple(one.split(" ")) for one in BEGINS}
    assert routes(filmed) == guarded | begins
    app: Any = client_of(filmed).app
    saves = {one.path for one in app.routes if isinstance(one, Saves)}
    assert saves == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_meanwhile_is_not_replaced(tmp_path: Path, name: str) -> None:
    """By a command, or by hand; and a request without a version changes nothing."""
    project, change = made(tmp_path), CHANGES[name]
    with asked(project) as client:
        tab = Tab(client, change)
        change.meanwhile(project)
        before = kept(project)
        for body in change.bodies:
            answer = tab.save(body)
            assert answer.status_code == 409, answer.text
            assert "changed meanwhile" in answer.json()["error"]
            assert kept(project) == before
        assert client.get("/jobs").json() == []
        for known in ("", "none"):
            tab.known = known
            assert tab.save(change.bodies[0]).status_code in (400, 409)
        assert kept(project) == before


@pytest.mark.parametrize(
    ("name", "elsewhere"), [("/joints/save", put_line), ("/joints/draw", put_joint)]
)
def test_a_drawing_refuses_no_correction_and_a_correction_no_drawing(
    tmp_path: Path, name: str, elsewhere: Callable[[StoredProject], None]
) -> None:
    """Neither is set on top of the other."""
    project, change = made(tmp_path), CHANGES[name]
    with asked(project) as client:
        tab = Tab(client, change)
        for body in change.bodies:
            before = len(project.annotations())
            elsewhere(project)
            answer = tab.save(body)
            assert answer.status_code == 200, answer.text
            assert len(project.annotations()) >= before


@pytest.mark.parametrize("name", [name for name in CHANGES if len(CHANGES[name].bodies) > 1])
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6))
def test_two_tabs_never_replace_what_they_have_not_seen(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int
) -> None:
    """A save succeeds exactly if its tab has seen the last save; otherwise it changes nothing."""
    chance, change = random.Random(seed), CHANGES[name]
    project = made(tmp_path_factory.mktemp("tabs"))
    with asked(project) as client:
        tabs = [Tab(client, change), Tab(client, change)]
        seen = [True, True]
        left = list(change.bodies)
        while left:
            who = chance.randrange(2)
            before = kept(project)
            answer = tabs[who].save(left[0])
            if seen[who]:
                assert answer.status_code == 200, answer.text
                left.pop(0)
                if kept(project) != before:
                    seen[1 - who] = False
            else:
                assert answer.status_code == 409, answer.text
                assert kept(project) == before
                tabs[who].read()
                seen[who] = True


def test_undo_in_one_tab_leaves_the_correction_of_another(filmed: StoredProject) -> None:
    with asked(filmed) as client:
        one = Tab(client, CHANGES["/joints/save"])
        assert one.save(_joint({"at": [10, 20]})).status_code == 200
        other = Tab(client, CHANGES["/joints/save"])
        assert other.save(_joint({"at": [30, 40]})).status_code == 200
        assert one.save(_joint({"remove": True})).status_code == 409
        assert filmed.read_pose("a")[0].xy[4, 0].tolist() == [30, 40]
        one.read()
        assert one.save(_joint({"remove": True})).status_code == 200


def test_what_begins_work_replaces_nothing(tmp_path: Path) -> None:
    project = made(tmp_path)
    before = kept(project)
    with asked(project) as client:
        for route, (path, body) in BEGINS.items():
            method = route.split(" ")[0]
            more: dict[str, Any] = {"json": body}
            if body is None:
                more = {"content": b"another recording"}
            answer = client.request(method, path, **more)
            assert answer.status_code in (200, 400, 409), (route, answer.text)
            assert kept(project).items() >= before.items(), route


# --- in a browser -------------------------------------------------------------------------------

AGAIN = "#problem button"


def test_a_refused_correction_is_kept_and_can_be_made_again(
    browser: Any, filmed: StoredProject
) -> None:
    def places() -> list[tuple[int | None, str]]:
        return [(one.frame, one.joint) for one in corrections(filmed, "a")]

    def slowly(route: Any) -> None:
        seen.press("ArrowRight", "x")  # on what is still shown as before
        route.continue_()

    with browsed(browser, filmed) as seen:
        seen.go("/joints?clip=a")
        seen.press("d")
        seen.wait_for(SAVED)
        ((frame, joint),) = places()
        put_joint(filmed, 9)  # in another tab
        seen.press("u")
        assert "changed meanwhile" in seen.trouble()
        seen.wait_for("document.querySelectorAll('#corrections li').length === 2")
        assert seen.page.inner_text("#saved") == "not saved"
        assert seen.page.locator(AGAIN).count() == 0  # an undo is not offered
        assert len(places()) == 2
        put_joint(filmed, 10)
        seen.page.route("**/joints/data?clip=a", slowly, times=1)
        seen.press("ArrowRight", "x")
        assert "changed meanwhile" in seen.trouble()
        seen.wait_for("document.querySelectorAll('#corrections li').length === 3")
        seen.wait_for("document.getElementById('saved').textContent === 'not saved'")
        assert len(places()) == 3
        seen.page.click(AGAIN)
        seen.wait_for(SAVED)
        assert sorted(places()) == [(0, joint), (1, joint), (2, joint), (9, "head"), (10, "head")]
        assert frame == 0
        seen.check()


def test_refused_labels_can_be_made_again_on_what_is_there(
    browser: Any, filmed: StoredProject
) -> None:
    filmed.phases_path.write_text("video,start,end,phase\na,0,36,down\nb,0,3,up\n")
    with browsed(browser, filmed) as seen:
        seen.go("/phases?clip=a")
        filmed.phases_path.write_text("video,start,end,phase\na,0,9,by hand\nb,0,3,up\n")
        seen.press("ArrowRight", *2 * ("Shift+ArrowRight",), "2")
        assert "changed meanwhile" in seen.trouble()
        seen.wait_for("document.querySelectorAll('#rows tbody tr').length === 1")
        assert spans(filmed) == [(0, 9, "by hand")]
        seen.page.click(AGAIN)
        seen.wait_for(SAVED)
        assert spans(filmed) == [(0, 9, "by hand"), (21, 36, "up")]
        seen.check()


def test_a_change_of_what_is_gone_is_not_made_again_silently(
    browser: Any, filmed: StoredProject
) -> None:
    filmed.phases_path.write_text("video,start,end,phase\na,0,9,down\na,9,36,up\n")
    with browsed(browser, filmed) as seen:
        seen.go("/phases?clip=a")
        gone = "video,start,end,phase\na,0,36,by hand\n"
        filmed.phases_path.write_text(gone)
        seen.press(*2 * ("Shift+ArrowRight",), ".")  # moves the boundary at 9
        assert "changed meanwhile" in seen.trouble()
        seen.wait_for("document.querySelectorAll('#rows tbody tr').length === 1")
        seen.page.click(AGAIN)
        assert "no longer exists" in seen.trouble()
        assert seen.page.locator(AGAIN).count() == 0
        assert filmed.phases_path.read_text() == gone
        seen.check()


def test_a_refused_note_can_be_added_again(browser: Any, filmed: StoredProject) -> None:
    with browsed(browser, filmed) as seen:
        seen.go("/pair?a=a&b=b", until="document.body.dataset.ready === 'true'")
        put(filmed, NOTE, ("a", "b"), (1, 2), "by hand")
        seen.page.fill("#note-text", "look here")
        seen.page.click("#note button")
        assert "changed meanwhile" in seen.trouble()
        seen.wait_for_text("written", "by hand")
        assert seen.page.input_value("#note-text") == "look here"
        seen.page.click(AGAIN)
        seen.wait_for_text("written", "look here")
        assert seen.page.input_value("#note-text") == ""
        assert {row.value for row in filmed.annotations()} == {"by hand", "look here"}
        seen.check()


def test_a_refused_mark_can_be_set_again(browser: Any, filmed: StoredProject) -> None:
    with browsed(browser, filmed) as seen:
        seen.go("/", until="document.querySelectorAll('.clip').length === 2")
        seen.page.click(".clip[data-id=a] button")
        filmed.mark_video("a", split="train", group="anna")
        seen.page.fill("#detail input[type=text]", "berta")
        seen.press("Tab")
        assert "changed meanwhile" in seen.trouble()
        seen.wait_for_text("clips", "train · anna")
        seen.page.click(AGAIN)
        seen.wait_for_text("clips", "train · berta")
        seen.check()
