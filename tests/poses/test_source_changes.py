"""A video that changes while it is extracted: nothing of it is stored as current, and no joints
stand beside the digest of another film."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.health.status import project_status
from la2ds_cli.poses import extract, extraction, pose_clip
from la2ds_cli.poses.chunks import CLIP_MEMORY, Stage
from la2ds_cli.poses.clip_state import CHANGED
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.extraction import Extraction
from la2ds_cli.poses.missing_poses import ensure_poses
from la2ds_cli.video.media_files import content_digest
from la2ds_cli.video.reader import has_changed
from tests.poses import grey_people
from tests.poses.grey_people import CONFIG, film, scene, walk
from tests.told import refused

CODE = "V014"
OLD, NEW = walk(40, start=20), walk(33, start=130, step=1)  # unequal lengths


def replaced(path: Path, other: Path) -> None:
    other.replace(path)


def rewritten(path: Path, other: Path) -> None:
    """In place, with the size and the times of before."""
    status, content = path.stat(), other.read_bytes()
    path.write_bytes(content[: status.st_size].ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def truncated(path: Path, other: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def appended(path: Path, other: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"\0" * 100)


def retargeted(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def deleted(path: Path, other: Path) -> None:
    path.unlink()


CHANGES = [replaced, rewritten, truncated, appended, retargeted, deleted]


def during_planning(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    before = extract.load_source

    def load(*given: Any, **named: Any) -> Any:
        act()
        return before(*given, **named)

    monkeypatch.setattr(extract, "load_source", load)


def after_planning(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    _before(monkeypatch, Extraction, "open_networks", act)


def during_the_first_pass(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    _before(monkeypatch, grey_people.GreyDetector, "detect", act)


def during_the_second_pass(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    _before(monkeypatch, grey_people.GreyPose, "estimate", act)


def before_writing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    _before(monkeypatch, StoredProject, "write_pose", act)


def before_listing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    _before(monkeypatch, StoredProject, "add_videos", act)


def _before(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, act: Callable[[], None]
) -> None:
    whole = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        act()
        return whole(*given, **named)

    monkeypatch.setattr(owner, name, call)


MOMENTS = [
    during_planning,
    after_planning,
    during_the_first_pass,
    during_the_second_pass,
    before_writing,
    before_listing,
]


def once(change: Callable[[Path, Path], None], path: Path, other: Path) -> Callable[[], None]:
    turns = itertools.count()

    def act() -> None:
        if next(turns) == 0:
            change(path, other)

    return act


def check(project: StoredProject, films: dict[str, list]) -> None:
    """No listed clip has other joints than those of the film with its digest, and every clip whose
    file has another content counts as changed, for status too."""
    status = project_status(project, replace(project.config(), poses=CONFIG))
    poses = next(step for step in status.steps if step.step == "poses")
    for video in project.videos():
        pose, recipe = project.read_pose(video.id)
        assert recipe.inputs["video"] == video.sha256
        scenes = films[video.sha256]
        assert len(pose) == len(scenes) == video.frames
        left = [next(iter(people.values()))[0] for people in scenes]
        np.testing.assert_allclose(pose.xy[:, 0, 0], left, atol=2)
        source = project.source(video)
        if source.exists():
            assert set(poses.stale.values()) <= {CHANGED}
            same = content_digest(source) == video.sha256
            assert has_changed(project, video) == (not same)
            assert same or video.id in poses.stale
        else:
            assert video.id in status.gone


@pytest.mark.parametrize("memory", [0, CLIP_MEMORY], ids=["decoded twice", "kept"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_a_video_that_changes_meanwhile(
    project: StoredProject, tmp_path: Path, monkeypatch, change, moment, memory: int
) -> None:
    film(tmp_path / "real.mp4", OLD)
    film(tmp_path / "other.mp4", NEW)
    film(tmp_path / "third.mp4", walk(25, start=60))
    path = tmp_path / "clip.mp4"
    path.symlink_to("real.mp4") if change is retargeted else (tmp_path / "real.mp4").rename(path)
    films = {
        content_digest(path): OLD,
        content_digest(tmp_path / "other.mp4"): NEW,
        content_digest(tmp_path / "third.mp4"): walk(25, start=60),
    }
    monkeypatch.setattr(extraction, "CLIP_MEMORY", memory)
    monkeypatch.setattr(pose_clip, "Stage", partial(Stage, every=0.0))
    third = tmp_path / "third.mp4"
    with monkeypatch.context() as patch:
        moment(patch, once(change, path, tmp_path / "other.mp4"))
        results = extract_poses(project, [str(path), str(third)], CONFIG)
    assert [item.status for item in results if item.path == str(third)] == ["ok"]
    for item in results:
        assert item.usable or item.code in (CODE, "V001", "V006"), item
        assert item.hint or item.usable
    check(project, films)
    if not path.exists() or change in (truncated, rewritten):
        return
    if change is appended:
        films[content_digest(path)] = OLD
    again = extract_poses(project, [str(path), str(third)], CONFIG)
    assert all(item.usable for item in again), again
    check(project, films)
    assert content_digest(path) in {video.sha256 for video in project.videos()}


def test_one_clip_that_changes_is_an_error_with_a_code(
    project: StoredProject, tmp_path: Path, monkeypatch
) -> None:
    path, other = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    film(path, OLD)
    film(other, NEW)
    during_the_first_pass(monkeypatch, once(replaced, path, other))
    with refused(ExitCode.UNREADABLE, r"clip\.mp4 changed while", CODE):
        ensure_poses(project, [str(path)], CONFIG)
    assert project.videos() == []
    assert not project.posed()


def test_unfinished_work_on_a_video_that_changed_is_not_resumed(
    project: StoredProject, tmp_path: Path, monkeypatch
) -> None:
    """A run that is killed after the change leaves no chunk of the new film under the old name."""
    path, kept, other = tmp_path / "clip.mp4", tmp_path / "kept.mp4", tmp_path / "other.mp4"
    film(path, OLD)
    os.link(path, kept)
    film(other, walk(40, start=130, step=1))
    monkeypatch.setattr(extraction, "CLIP_MEMORY", 0)
    monkeypatch.setattr(pose_clip, "Stage", partial(Stage, every=0.0))
    with monkeypatch.context() as patch:
        during_the_second_pass(patch, once(replaced, path, other))
        extract_poses(project, [str(path)], CONFIG)
    kept.replace(path)
    (item,) = extract_poses(project, [str(path)], CONFIG)
    assert item.status == "ok"
    check(project, {content_digest(path): OLD})


def test_an_image_that_is_written_again_in_its_folder(
    project: StoredProject, tmp_path: Path
) -> None:
    """It leaves the times of the folder as they were."""
    from PIL import Image

    folder = tmp_path / "shots"
    folder.mkdir()
    for number, people in enumerate(OLD[:20]):
        Image.fromarray(scene(people)).save(folder / f"{number:03d}.png")
    options = ExtractOptions(clip={"fps": 10})
    (item,) = extract_poses(project, [str(folder)], CONFIG, options)
    (video,) = project.videos()
    assert item.usable
    assert not has_changed(project, video)
    status = folder.stat()
    Image.fromarray(scene(NEW[0])).save(folder / "007.png")
    assert folder.stat().st_mtime_ns == status.st_mtime_ns
    assert has_changed(project, video)


def test_a_file_that_is_touched_or_copied_has_not_changed(
    project: StoredProject, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    film(path, OLD)
    extract_poses(project, [str(path)], CONFIG)
    (video,) = project.videos()
    path.touch()
    assert not has_changed(project, video)
    (tmp_path / "copy.mp4").write_bytes(path.read_bytes())
    (tmp_path / "copy.mp4").replace(path)
    assert not has_changed(project, video)
