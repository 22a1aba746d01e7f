"""A pair as a recording of Rerun, read again by Rerun's own reader."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.views.sync import recording
from la2ds_cli.views.sync.sync import Appearance, check_output, write_sync
from tests.views.sync.synced import add_film, aligned, grey_frames, number, still_pose

LABELS = "video,start,end,phase\nanna,0,12,down\nanna,20,30,up\nben,0,25,down\nben,25,50,up\n"


@pytest.fixture
def pair(project: Project) -> Project:
    """Clips of 30 and 50 frames at 20 and 25 per second; B has joints that are not seen."""
    pytest.importorskip("rerun", reason="rerun-sdk is not installed (extra rerun)")
    pose = still_pose(50, 25.0)
    xy = pose.xy.copy()
    xy[10:20, 3] = np.nan
    add_film(project, "anna", still_pose(30), grey_frames(30))
    add_film(project, "ben", replace(pose, xy=xy), grey_frames(50))
    project.phases_path.write_text(LABELS)
    return project


def position() -> np.ndarray:
    places = np.linspace(4, 45, 30)
    places[13:16] = np.nan
    return places


def columns_of(path: Path, entity: str) -> list[tuple[float, dict[str, Any]]]:
    """Seconds and values of every row of an entity, by Rerun's reader."""
    from rerun.chunk import RrdReader  # pyright: ignore[reportMissingImports]

    rows = []
    for chunk in RrdReader(path).stream().to_chunks():
        assert chunk.is_static or chunk.timeline_names == ["time"]
        if str(chunk.entity_path) == f"/{entity}":
            for row in chunk.to_record_batch().to_pylist():
                time = row.get("time")
                seconds = np.nan if time is None else time.total_seconds()
                rows.append((seconds, {k.rpartition(":")[2]: v for k, v in row.items()}))
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.parametrize("view", VIEWS)
def test_joints_and_phases_are_those_of_the_moment(pair: Project, tmp_path: Path, view: View):
    result = aligned(pair, ("anna", "ben"), position().tolist(), view)
    path = tmp_path / "pair.rrd"
    write_sync(pair, result, out=path, appearance=Appearance(privacy=True))
    for side, pose in (("a", result.pose_a), ("b", shown(result.pose_b, view))):
        rows = columns_of(path, f"{side}/joints")
        assert len(rows) == 30
        for t, (seconds, values) in enumerate(rows):
            assert seconds == pytest.approx(result.pose_a.time[t], abs=1e-6)
            if side == "b" and 13 <= t < 16:
                assert values["positions"] == []
                continue
            at = t if side == "a" else round(float(position()[t]))
            seen = np.flatnonzero(np.isfinite(pose.xy[at, :, 0]))
            assert values["keypoint_ids"] == seen.tolist()
            np.testing.assert_allclose(values["positions"], pose.xy[at, seen], atol=1e-4)
    assert not columns_of(path, "a/picture")
    told = [(round(s * 20), *v["text"]) for s, v in columns_of(path, "a/phase")]
    assert told == [(0, "down"), (12, "end of down"), (20, "up")]
    told = [(round(s * 20), *v["text"]) for s, v in columns_of(path, "b/phase")]
    first_up = next(t for t in range(30) if position()[t] >= 24.5)
    assert told == [(0, "down"), (first_up, "up")]
    known = np.flatnonzero(~np.isnan(position()))
    times = columns_of(path, "alignment/time_b")
    np.testing.assert_allclose([s for s, _ in times], result.pose_a.time[known], atol=1e-6)
    np.testing.assert_allclose([v["scalars"][0] for _, v in times], position()[known] / 25)


def test_the_names_and_bones_of_the_skeleton_go_along(pair: Project, tmp_path: Path):
    result = aligned(pair, ("anna", "ben"), position().tolist())
    path = tmp_path / "pair.rrd"
    write_sync(pair, result, out=path, appearance=Appearance(privacy=True))
    ((_, values),) = [row for row in columns_of(path, "") if "context" in row[1]]
    skeleton = get_skeleton(result.pose_a.skeleton)
    for entry, label in zip(values["context"][0], "AB", strict=True):
        said = entry["class_description"]
        assert said["info"]["label"] == label
        names = [one["label"] for one in said["keypoint_annotations"]]
        assert names == list(skeleton.joints)
        bones = [(one["keypoint0"], one["keypoint1"]) for one in said["keypoint_connections"]]
        assert bones == [tuple(limb) for limb in skeleton.limbs]


def test_pictures_are_those_of_the_frames(pair: Project, tmp_path: Path):
    result = aligned(pair, ("anna", "ben"), position().tolist())
    path = tmp_path / "pair.rrd"
    done = write_sync(pair, result, out=path)
    assert done.file == path
    for side in "ab":
        shown = columns_of(path, f"{side}/picture")
        assert len(shown) >= 27
        for seconds, values in shown:
            t = round(seconds * 20)
            blob = np.frombuffer(bytes(values["blob"][0]), np.uint8)
            image = cv2.imdecode(blob, cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (240, 320, 3)
            lost = side == "b" and 13 <= t < 16
            if not lost:
                wanted = t if side == "a" else round(float(position()[t]))
                assert number(np.asarray(image[..., ::-1], np.uint8)) == wanted


def test_pictures_beyond_the_memory_are_refused(
    pair: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert recording.MEMORY == 1 << 30
    monkeypatch.setattr(recording, "MEMORY", 10_000)
    result = aligned(pair, ("anna", "ben"), position().tolist())
    with pytest.raises(UserError, match="the pictures of this pair") as caught:
        write_sync(pair, result, out=tmp_path / "pair.rrd")
    assert caught.value.exit_code == ExitCode.UNUSABLE
    assert not (tmp_path / "pair.rrd").exists()


def test_a_package_that_is_switched_off_is_said(
    pair: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RERUN", "off")
    result = aligned(pair, ("anna", "ben"), position().tolist())
    with pytest.raises(UserError, match="switched off") as caught:
        write_sync(pair, result, out=tmp_path / "pair.rrd")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_without_the_package_nothing_is_aligned(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def absent(name: str, *rest: Any, **named: Any) -> Any:
        if name == "rerun":
            raise ModuleNotFoundError("no rerun", name="rerun")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match="rerun-sdk") as caught:
        check_output(Path("pair.rrd"), Appearance())
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "la2ds[rerun]" in caught.value.hint
