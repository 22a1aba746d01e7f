"""Hands through a clip: who is left, who is followed, and what becomes of the clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses import hands
from la2ds_cli.poses.blazehand import Hand
from la2ds_cli.poses.current import PoseRecipes
from la2ds_cli.poses.extract import ExtractOptions, ensure_pose, extract_poses
from la2ds_cli.poses.hands import HandTracker, by_side
from la2ds_cli.poses.rotated_crop import Region
from la2ds_cli.poses.threads import Instances
from la2ds_cli.video.reader import write_video

SIZE = (160, 120)
SPOT = 9  # pixels of a square that stands for a hand: its brightness says which hand it is
LEFT, RIGHT = 250, 150


class SpotNetwork:
    """Stands for the networks: a hand is a grey square, left if it is bright, and seen by a region
    whose middle lies within 25 pixels. Counts its searches for palms."""

    def __init__(self) -> None:
        self.searches = 0

    def detect(self, image: np.ndarray) -> list[Region]:
        self.searches += 1
        return [Region(x, y, 60) for x, y, _ in self._spots(image)]

    def landmarks(self, image: np.ndarray, region: Region) -> Hand:
        near = [
            spot
            for spot in self._spots(image)
            if np.hypot(spot[0] - region.x, spot[1] - region.y) < 25
        ]
        if not near:
            return Hand(np.full((21, 2), region.x), np.zeros((21, 3)), 0.5, 0.1)
        x, y, bright = min(near, key=lambda s: np.hypot(s[0] - region.x, s[1] - region.y))
        turn = np.linspace(0, 2 * np.pi, 21)
        xy = np.stack([x + 12 * np.sin(turn), y - 12 * np.cos(turn)], axis=1)
        left = 0.9 if bright > 200 else 0.2
        return Hand(xy, np.tile([0.01, 0.02, 0.03], (21, 1)), left, 0.8)

    @staticmethod
    def _spots(image: np.ndarray) -> list[tuple[float, float, float]]:
        import cv2

        _, labels, stats, centres = cv2.connectedComponentsWithStats(
            (image[:, :, 0] > 90).astype(np.uint8)
        )
        return [
            (*centres[n], float(np.median(image[labels == n])))
            for n in range(1, len(centres))
            if stats[n, -1] > 20
        ]


def picture(**spots: tuple[int, int]) -> np.ndarray:
    image = np.full((SIZE[1], SIZE[0], 3), 10, np.uint8)
    for side, (x, y) in spots.items():
        half = SPOT // 2
        image[y - half : y + half + 1, x - half : x + half + 1] = LEFT if side == "left" else RIGHT
    return image


def hand(x: float, left: float = 0.5) -> Hand:
    return Hand(np.full((21, 2), x), np.zeros((21, 3)), left, 0.9)


def network() -> Any:
    return SpotNetwork()


class TestSides:
    def test_one_doubtful_frame_changes_no_name(self) -> None:
        seen = [[(1, hand(0, left))] for left in (0.9, 0.8, 0.3)]
        assert sorted(by_side(seen)["left"]) == [0, 1, 2]
        assert by_side(seen)["right"] == {}

    def test_of_two_hands_one_is_left_whatever_the_network_says(self) -> None:
        seen = [[(1, hand(0, 0.6)), (2, hand(9, 0.8))]] * 2
        sides = by_side(seen)
        assert [h.xy[0, 0] for h in sides["left"].values()] == [9, 9]
        assert [h.xy[0, 0] for h in sides["right"].values()] == [0, 0]

    def test_a_hand_alone_goes_by_its_own_vote(self) -> None:
        seen = [
            [(1, hand(0, 0.6)), (2, hand(9, 0.8))],
            [],
            [(1, hand(0, 0.6))],
        ]
        sides = by_side(seen)
        assert sorted(sides["left"]) == [0, 2]
        assert sorted(sides["right"]) == [0]


class TestTracker:
    def test_a_hand_keeps_its_number_and_palms_are_sought_for_the_second(self) -> None:
        seer, tracker = network(), HandTracker()
        first = [tracker.next(seer, picture(left=(40 + 3 * t, 60))) for t in range(3)]
        assert [[number for number, _ in frame] for frame in first] == [[1], [1], [1]]
        both = tracker.next(seer, picture(left=(49, 60), right=(120, 60)))
        assert both[0][0] == 1
        assert len(both) == 2
        searches = seer.searches
        again = tracker.next(seer, picture(left=(52, 60), right=(118, 60)))
        assert [number for number, _ in again] == [number for number, _ in both]
        assert seer.searches == searches  # two hands are enough

    def test_a_hand_that_goes_is_dropped_and_another_one_has_a_new_number(self) -> None:
        seer, tracker = network(), HandTracker()
        (first,) = tracker.next(seer, picture(left=(40, 60)))
        assert tracker.next(seer, picture()) == []
        (second,) = tracker.next(seer, picture(left=(110, 60)))
        assert second[0] != first[0]

    def test_a_hand_is_not_seen_twice(self) -> None:
        seer, tracker = network(), HandTracker()
        for _ in range(4):
            assert len(tracker.next(seer, picture(right=(80, 60)))) == 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Hands are those of SpotNetwork; a network of bodies must not be asked for."""
    networks: Instances[Any] = Instances(network)
    monkeypatch.setattr(hands, "open_networks", lambda device: networks)
    return Project.create(tmp_path / "project")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """30 frames: the left hand moves to the right, the right one is there from frame 10 on."""
    frames = [
        picture(left=(30 + t, 40), **({"right": (120, 80)} if t >= 10 else {})) for t in range(30)
    ]
    write_video(tmp_path / "hands.mp4", frames, 25)
    return tmp_path / "hands.mp4"


# Names of body networks that cannot be built: the hands need none of them.
CONFIG = PosesConfig(subject="hands", detector="full-frame", pose="blazepose-heavy")


def test_both_hands_are_one_clip_of_42_joints(project: Project, clip: Path) -> None:
    (result,) = extract_poses(project, [str(clip)], CONFIG)
    assert (result.status, result.frames) in {("ok", 30), ("degraded", 30)}
    pose, _ = project.read_pose(result.video)
    assert pose.skeleton == "hands42"
    assert pose.world is None
    middle = pose.xy[:, :20].mean(axis=1)  # of the left hand: its landmarks lie on a circle
    np.testing.assert_allclose(middle[:, 0], 30 + np.arange(30), atol=1.5)
    assert np.isnan(pose.xy[:10, 21:]).all()
    np.testing.assert_allclose(pose.xy[10:, 21:41].mean(axis=1), [[120, 80]] * 20, atol=1.5)
    assert pose.xy.shape[1] == len(get_skeleton("hands42").joints)
    np.testing.assert_allclose(pose.box[0], [30 - 14.4, 40 - 14.4, 30 + 14.4, 40 + 14.4], atol=2)
    assert pose.box[20, 2] > 120
    info = pose.info
    assert info["hands"] == {"left": 1.0, "right": round(20 / 30, 4)}
    assert (info["pose"], info["detector"], info["device"]) == ("blazehand", "blazehand", "cpu")
    assert info["mean_score"] == pytest.approx(0.8)


@pytest.mark.parametrize(("side", "seen"), [("left", 30), ("right", 20)])
def test_one_hand_is_a_clip_of_21_joints_with_metres(
    project: Project, clip: Path, side: str, seen: int
) -> None:
    config = replace(CONFIG, subject=f"{side}-hand")
    (result,) = extract_poses(project, [str(clip)], config)
    pose, _ = project.read_pose(result.video)
    assert pose.skeleton == "hand21"
    assert np.isfinite(pose.xy).all(axis=(1, 2)).sum() == seen
    assert pose.world is not None
    np.testing.assert_allclose(pose.world[-1], [[0.01, 0.02, 0.03]] * 21, atol=1e-6)


def test_hands_are_current_until_another_subject_is_asked_for(project: Project, clip: Path) -> None:
    (result,) = extract_poses(project, [str(clip)], CONFIG)
    assert [r.status for r in extract_poses(project, [str(clip)], CONFIG)] == ["cached"]
    other = replace(CONFIG, pose="hrnet-w32")  # has no part in it
    assert [r.status for r in extract_poses(project, [str(clip)], other)] == ["cached"]
    (recipe,) = PoseRecipes(project, CONFIG).of(project.videos()[0])
    assert recipe.config["pose"] == recipe.config["detector"] == hands.identity()
    left = replace(CONFIG, subject="left-hand")
    assert [r.status for r in extract_poses(project, [str(clip)], left)] != ["cached"]
    assert ensure_pose(project, str(clip), left) == result.video


def test_a_clip_may_ask_for_hands_by_itself(project: Project, clip: Path) -> None:
    """By subjects.csv, or for the clips of one command."""
    body = PosesConfig(detector="full-frame", pose="blazepose-heavy")
    (result,) = extract_poses(project, [str(clip)], body, ExtractOptions(subject="hands"))
    assert project.read_pose(result.video)[0].skeleton == "hands42"
    assert "hands" in project.subjects_path.read_text()
    assert [r.status for r in extract_poses(project, [str(clip)], body)] == ["cached"]


def test_a_clip_without_that_hand(project: Project, tmp_path: Path) -> None:
    write_video(tmp_path / "l.mp4", [picture(left=(40, 60))] * 12, 25)
    write_video(tmp_path / "n.mp4", [picture()] * 12, 25)
    config = replace(CONFIG, subject="right-hand")
    one, none = extract_poses(project, [str(tmp_path / "l.mp4"), str(tmp_path / "n.mp4")], config)
    assert (one.status, one.code) == (none.status, none.code) == ("skipped", "V020")
    assert "no right hand found" in one.message
    assert one.hint == "--subject left-hand, which is seen"
    assert "from nearer" in none.hint
    with pytest.raises(UserError, match="no right hand found") as caught:
        ensure_pose(project, str(tmp_path / "n.mp4"), config)
    assert caught.value.exit_code == ExitCode.UNUSABLE
