"""What is drawn on the pictures of a clip: stored by the Pair page and the Joints page alike."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.annotations import ClipMoments, Moment, lifetime_on
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio.drawings import ClipCanvas
from tests.studio.browsing import asked, check_refused

ITEMS: list[dict[str, Any]] = [
    {"kind": "line", "points": [[10.5, 20.0], [30.0, 200.25]]},
    {"kind": "angle", "points": [[10.0, 20.0], [30.0, 40.0], [60.0, 5.0]], "frames": [4, 4]},
    {"kind": "circle", "points": [[50.0, 50.0], [60.0, 50.0]], "frames": [3, 12]},
    {"kind": "arrow", "points": [[50.0, 50.0], [60.0, 70.0]], "frames": [0, 35]},
    {"kind": "freehand", "points": [[float(k), 2.0 * k] for k in range(90)]},
    {"kind": "scale", "points": [[5.0, 5.0], [5.0, 105.0]], "metres": 1.8},
    {"kind": "watch", "points": [[7.0, 9.0]], "frames": [6, 20]},
]


class Page:
    """A page on which somebody draws on clip a."""

    def __init__(self, client: TestClient, name: str) -> None:
        self.client, self.name = client, name
        self.path = f"/{name}/{'change' if name == 'pair' else 'draw'}"

    def content(self, old: list[Any], new: list[Any]) -> dict[str, Any]:
        if self.name == "joints":
            return {"clip": "a", "old": old, "new": new}
        items = [[one | {"side": "a"} for one in some] for some in (old, new)]
        return {"a": "a", "b": "b", "old": items[0], "new": items[1]}

    def change(self, old: list[Any], new: list[Any]) -> list[Any]:
        answer = self.client.post(self.path, json=self.content(old, new))
        assert answer.status_code == 200, answer.text
        found = answer.json()["drawings"]
        return found["a"] if self.name == "pair" else found

    def shown(self) -> list[Any]:
        where = {"clip": "a"} if self.name == "joints" else {"a": "a", "b": "b"}
        found = self.client.get(f"/{self.name}/data", params=where).json()["drawings"]
        return found["a"] if self.name == "pair" else found


@pytest.fixture(params=["pair", "joints"])
def kind_of_page(request: pytest.FixtureRequest) -> str:
    return request.param


def test_what_is_drawn_on_one_page_is_shown_on_both_and_taken_back(
    filmed: StoredProject, kind_of_page: str
) -> None:
    with asked(filmed) as client:
        page = Page(client, kind_of_page)
        for n, item in enumerate(ITEMS):
            assert page.change([], [item])[n] == item
        for name in ("pair", "joints"):
            assert Page(client, name).shown() == ITEMS
        for item in ITEMS:
            moved = item | {"points": [[x + 1, y + 1] for x, y in item["points"]]}
            assert moved in page.change([item], [moved])
            assert item in page.change([moved], [item])
        before = page.shown()
        for item in ITEMS:
            page.change([item], [])
        assert page.shown() == []
        assert sorted(map(str, before)) == sorted(map(str, ITEMS))


LINE, SCALE, WATCH = ITEMS[0], ITEMS[5], ITEMS[6]
CASES = [
    (LINE | {"kind": "square"}, "none of line, angle"),
    (LINE | {"frames": [3]}, "no such frame"),
    (LINE | {"frames": [3, 400]}, "no such frame"),
    (LINE | {"frames": [-1, 3]}, "no such frame"),
    (LINE | {"frames": [9, 3]}, "end before it begins"),
    (LINE | {"frames": [3, "4"]}, "not from a page"),
    (LINE | {"metres": 2}, "has a known length"),
    (SCALE | {"points": [[1, 1], [2, 2]]}, "a clip has one known length"),
    (SCALE | {"metres": 0}, "a known length is 0.001 to 10000 metres"),
    (SCALE | {"metres": "1"}, "not from a page"),
    (SCALE | {"metres": None}, "has a known length"),
    (SCALE | {"frames": [3, 4]}, "for all pictures"),
    ({"kind": "watch", "points": [[7, 9]]}, "begins at some moment"),
    (WATCH | {"points": []}, "number of points must be 1, not 0"),
    ({"kind": "freehand", "points": [[k % 300, 9] for k in range(501)]}, "2 to 500, not 501"),
    ({"kind": "circle", "points": [[5, 5], [500, 5]]}, "within the picture"),
    ({"kind": "circle", "points": [[5, 5, 5], [6, 5]]}, "of two numbers each"),
    (LINE, "already exists"),
]


def test_what_cannot_be_drawn_is_refused_and_nothing_is_kept(
    filmed: StoredProject, kind_of_page: str
) -> None:
    with asked(filmed) as client:
        page = Page(client, kind_of_page)
        page.change([], [LINE])
        page.change([], [SCALE])
        before = filmed.annotations_path.read_bytes()
        cases = [(page.content([], [item]), said) for item, said in CASES]
        cases += [(page.content([WATCH], [LINE]), "changed or removed")]
        check_refused(client, page.path, cases)
        assert filmed.annotations_path.read_bytes() == before


def test_a_clip_can_have_another_known_length_in_the_place_of_the_first(
    filmed: StoredProject, kind_of_page: str
) -> None:
    with asked(filmed) as client:
        page = Page(client, kind_of_page)
        page.change([], [SCALE])
        assert page.change([SCALE], [SCALE | {"metres": 1.83}]) == [SCALE | {"metres": 1.83}]


def test_a_lifetime_beyond_the_clip_is_kept_when_the_drawing_is_moved(
    filmed: StoredProject,
) -> None:
    """Another part of the film shows the drawing as before."""
    pose = filmed.read_pose("a")[0]
    row = ClipCanvas(ClipMoments.of("a", "", pose), pose).read(ITEMS[2])
    part = pose.cut(5, 9)
    clip = ClipCanvas(ClipMoments.of("a", "", part), part)
    item = clip.item(row)
    assert item["frames"] == (5, 8)
    for more, kept in ({"points": [[51.0, 50.0], [60.0, 50.0]]}, True), ({"frames": [6, 8]}, False):
        (gone,), (new,) = clip.wanted([row], [item], [item | more])
        assert gone == row
        assert ((new.at, new.other) == (row.at, row.other)) == kept
    whole = ClipMoments.of("a", "", pose)
    assert lifetime_on(row, whole) == (3, 12)
    (gone,), () = clip.wanted([row], [item], [])
    assert gone == row


def test_a_clip_without_a_frame_within_the_lifetime_does_not_show_a_drawing(
    filmed: StoredProject,
) -> None:
    pose = filmed.read_pose("a")[0]
    row = ClipCanvas(ClipMoments.of("a", "", pose), pose).read(ITEMS[2])
    part = pose.cut(13, 20)
    assert ClipCanvas(ClipMoments.of("a", "", part), part).drawn([row]) == []
    assert row.at == Moment("a", 1, 0.15)
