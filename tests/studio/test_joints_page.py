"""The page of a clip's joints: what is dragged is kept apart, used, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from tests.studio.browsing import SAVED, Seen, asked, browsed, check_refused, version_of
from tests.studio.marks import corrections

PENN = get_skeleton("penn13").joints


def save(client: TestClient, clip: str, *changes: dict[str, Any]) -> Any:
    return client.post("/joints/save", json={"clip": clip, "changes": list(changes)})


def test_changes_are_kept_used_and_taken_back(filmed: StoredProject) -> None:
    before = filmed.pose_path("a").read_bytes()
    with asked(filmed) as client:
        right = {"frame": 4, "joint": "head", "at": [10, 20.5]}
        doubt = {"frame": 5, "joint": "head", "at": None}
        answer = save(client, "a", right, doubt)
        told = [(one["frame"], one["at"]) for one in answer.json()["corrections"]]
        assert told == [(4, [10, 20.5]), (5, None)]
        assert filmed.read_pose("a")[0].xy[4, 0].tolist() == [10, 20.5]
        assert np.isnan(filmed.read_pose("a")[0].xy[5, 0]).all()
        shown = client.get("/joints/data", params={"clip": "a"}).json()
        assert [one["frame"] for one in shown["corrections"]] == [4, 5]
        save(client, "a", {"frame": 4, "joint": "head", "remove": True})
    assert [one.at.seconds for one in filmed.annotations()] == [5 / 20]
    assert filmed.pose_path("a").read_bytes() == before


def test_a_change_that_is_none_changes_nothing(filmed: StoredProject) -> None:
    right = {"frame": 4, "joint": "head", "at": [1, 2]}
    wrong = [
        *((right | {"frame": frame}, "no such frame") for frame in (999, -1)),
        (right | {"joint": "tail"}, "no such frame or joint"),
        (right | {"at": [1]}, "two numbers"),
        (right | {"at": [1e5, 2]}, "far outside the picture"),
    ]
    with asked(filmed) as client:
        cases = [({"clip": "a", "changes": [right, change]}, said) for change, said in wrong]
        check_refused(client, "/joints/save", cases)
        assert client.get("/joints?clip=none").status_code == 400
    assert not filmed.annotations_path.exists()


def test_joints_dragged_on_a_picture_that_is_turned_meanwhile_are_refused(
    filmed: StoredProject,
) -> None:
    changed = {"frame": 2, "joint": "head", "at": [100, 50]}
    with asked(filmed) as client:
        content = {"clip": "a", "changes": [changed]}
        client.headers["if-match"] = version_of(client, "/joints/save", content)
        pose, recipe = filmed.read_pose("a")
        filmed.write_pose("a", replace(pose, info={**pose.info, "rotate": 180}), recipe)
        check_refused(client, "/joints/save", [(content, "changed meanwhile")], 409)
        assert not filmed.annotations_path.exists()
        filmed.write_pose("a", pose, recipe)
        assert client.post("/joints/save", json=content).status_code == 200


# --- in a browser -------------------------------------------------------------------------------


def open_joints(seen: Seen, clip: str) -> None:
    seen.go("/", until="document.querySelectorAll('.clip').length === 2")
    seen.page.click(f".clip[data-id={clip}] button")
    seen.page.click("text=Correct its joints")
    seen.arrive("**/joints?**")


def test_joints_are_dragged_doubted_filled_in_and_kept(browser: Any, filmed: StoredProject) -> None:
    with browsed(browser, filmed) as seen:
        open_joints(seen, "a")
        drag_a_wrist(seen, filmed)
        open_joints(seen, "b")
        fill_in_a_knee(seen, filmed)
        seen.go("/joints?clip=b")
        assert seen.page.locator("#corrections li").count() == 3


def test_every_tool_is_in_sight_beside_the_picture(browser: Any, filmed: StoredProject) -> None:
    with browsed(browser, filmed) as seen:
        for width, height in ((1440, 900), (1280, 800), (1920, 1080)):
            seen.page.set_viewport_size({"width": width, "height": height})
            seen.go("/joints?clip=a")
            tools = seen.page.locator("#players-card button")
            boxes = [tools.nth(n).bounding_box() for n in range(tools.count())]
            lowest = max(box["y"] + box["height"] for box in boxes if box)
            assert lowest <= height, (width, height)
            assert seen.page.locator("#stage-a").bounding_box()["height"] > 0.4 * height


def drag_a_wrist(seen: Seen, project: StoredProject) -> None:
    pose = project.read_pose("a")[0]
    seen.press("Shift+ArrowRight", "ArrowRight")
    x, y = (float(side) for side in pose.xy[11, PENN.index("left_wrist")])
    places = ((x + 40 * part, y - 20 * part) for part in (0, 0.5, 1.0))
    w, h = pose.size  # the whole picture is shown
    seen.drag("stage-a", *(((px + 0.5) / w, (py + 0.5) / h) for px, py in places))
    seen.wait_for(SAVED)
    (right,) = corrections(project, "a")
    assert (right.frame, right.joint) == (11, "left_wrist")
    assert right.at == pytest.approx((x + 40, y - 20), abs=1.5)
    assert "left wrist: corrected" in seen.page.inner_text("#corrections")
    seen.press("Shift+D", "w")
    seen.wait_for(SAVED)
    assert corrections(project, "a")[0].at == pytest.approx((x + 50, y - 21), abs=1.5)
    seen.press("u", "u", "u")
    seen.wait_for(SAVED)
    assert project.annotations() == []
    seen.check()


def fill_in_a_knee(seen: Seen, project: StoredProject) -> None:
    seen.page.select_option("#joint", label="right knee")
    seen.press("x")
    seen.wait_for(SAVED)
    assert np.isnan(project.read_pose("b")[0].xy[0, PENN.index("right_knee")]).all()
    seen.press("ArrowRight", "Shift+D", *4 * ("ArrowRight",), "Shift+D", "f")
    seen.wait_for(SAVED)
    rows = corrections(project, "b")
    assert sorted(one.frame or 0 for one in rows) == [0, 1, 2, 3, 4, 5]
    places = {one.frame: one.at for one in rows}
    first, middle, last = (np.array(places[frame]) for frame in (1, 3, 5))
    assert middle == pytest.approx((first + last) / 2, abs=0.02)
    seen.press("u")  # all of them at once
    seen.wait_for(SAVED)
    assert len(project.annotations()) == 3
    seen.press("ArrowLeft", "r")
