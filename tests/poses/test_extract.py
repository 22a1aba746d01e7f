from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.poses import extraction
from la2ds_cli.poses.current import PoseRecipes, current_clip
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.extraction import Extraction
from la2ds_cli.poses.missing_poses import ensure_pose, ensure_poses
from tests.poses import grey_people
from tests.poses.grey_people import CONFIG, PLACES, SIZE, film, walk
from tests.processes import invoke
from tests.told import refused


def no_networks(monkeypatch) -> None:
    """Let any attempt to build a network fail."""

    def refuse(*_: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(grey_people, "build_pose", refuse)
    monkeypatch.setattr(grey_people, "build_detector", refuse)


def test_joints_of_a_walk(project: StoredProject, clips: Path) -> None:
    (result,) = extract_poses(project, [str(clips / "anna")], CONFIG)
    assert (result.status, result.frames, result.code) == ("ok", 20, "")
    pose, recipe = project.read_pose(result.video)
    x1 = 40 + 2.0 * np.arange(20)
    expected = np.stack([x1, np.full(20, 40)], axis=1)[:, None] + PLACES * [39, 89]
    np.testing.assert_allclose(pose.xy, expected, atol=1.6)
    np.testing.assert_allclose(pose.time, np.arange(20) / 25, atol=1e-6)
    assert (pose.size, pose.skeleton, pose.fps) == (SIZE, "coco17", 25)
    assert pose.info["coverage"] == 1
    assert pose.info["margin"] == 1
    assert pose.info["device"] == "cpu"
    assert recipe.step == "poses"
    (row,) = project.videos()
    assert (row.id, row.frames, row.fps, row.width) == (result.video, 20, 25, SIZE[0])
    assert project.source(row) == clips / "anna" / "clip.mp4"


def test_two_files_with_the_same_content_are_one_clip(
    project: StoredProject, clips: Path, monkeypatch
) -> None:
    copy = clips / "anna" / "copy.mp4"
    copy.write_bytes((clips / "anna" / "clip.mp4").read_bytes())
    calls = []
    original = extraction.pose_clip
    monkeypatch.setattr(extraction, "pose_clip", lambda *a: (calls.append(a), original(*a))[1])
    one, two = extract_poses(project, [str(clips / "anna")], CONFIG)
    assert len(calls) == 1
    assert [video.id for video in project.videos()] == [one.video] == [two.video]
    assert (one.status, two.status) == ("ok", "cached")
    assert two.message == f"the same film as {clips / 'anna' / 'clip.mp4'}: both are one clip"


class Follower(grey_people.GreyPose):
    """Follows people from frame to frame, as BlazePose does, and waits until as many clips as there
    are seats do so at the same time."""

    def __init__(self, seats: int) -> None:
        self.together = Barrier(seats)

    def tracker(self) -> Follower:
        self.together.wait(timeout=60)
        return self

    def reset(self) -> None:
        pass


@pytest.mark.parametrize("command", ["extract-poses", "align", "timeline"])
def test_clips_are_worked_on_side_by_side(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """One for each core, with the same bytes as one after the other."""
    film(clips / "carl.mp4", walk(20, start=50))
    names = [str(clips / name) for name in ("anna/clip.mp4", "ben/clip.mp4", "carl.mp4")]
    made = []
    for cores in (1, 3):
        monkeypatch.setattr(extraction, "available_cores", lambda cores=cores: cores)
        monkeypatch.setattr(extraction, "resolve_pose", lambda *_, n=cores: Follower(n))
        project = StoredProject.create(tmp_path / str(cores))
        if command == "align":
            ids = ensure_poses(project, names, CONFIG)
        elif command == "timeline":
            request = AlignRequest(replace(project.config(), poses=CONFIG), features="pose")
            with suppress(UserError):  # these people only walk past
                align_all(project, names, request)
            ids = [video.id for video in project.videos()]
        else:
            ids = [result.video for result in extract_poses(project, names, CONFIG)]
        made.append([project.pose_path(video).read_bytes() for video in ids])
        assert [video.id for video in project.videos()] == ids
    assert made[0] == made[1]


def test_all_names_are_checked_before_the_first_clip_is_extracted(
    project: StoredProject, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_networks(monkeypatch)
    with refused(ExitCode.UNREADABLE, r"nowhere\.mp4"):
        ensure_poses(project, [str(clips / "anna" / "clip.mp4"), "nowhere.mp4"], CONFIG)


def test_names_that_fail_are_left_out_of_many(project: StoredProject, clips: Path) -> None:
    film(clips / "nobody.mp4", [{}] * 20)
    anna, ben, nobody = (
        str(clips / name) for name in ("anna/clip.mp4", "ben/clip.mp4", "nobody.mp4")
    )
    left_out: dict[str, str] = {}
    ids = ensure_poses(project, [anna, nobody, "nowhere.mp4", ben], CONFIG, left_out=left_out)
    assert ids == [video.id for video in project.videos()]
    assert len(ids) == 2
    assert set(left_out) == {nobody, "nowhere.mp4"}


def test_a_second_run_loads_nothing(project: StoredProject, clips: Path, monkeypatch) -> None:
    first = extract_poses(project, [str(clips)], CONFIG)
    stamps = [project.pose_path(r.video).stat().st_mtime_ns for r in first]
    no_networks(monkeypatch)
    second = extract_poses(project, [str(clips)], CONFIG)
    assert [r.status for r in second] == ["cached", "cached"]
    assert [r.frames for r in second] == [20, 20]
    assert [project.pose_path(r.video).stat().st_mtime_ns for r in second] == stamps


def test_what_is_missing_damaged_or_set_otherwise_is_made_anew_and_nothing_else(
    project: StoredProject, clips: Path
) -> None:
    first, _ = extract_poses(project, [str(clips)], CONFIG)

    def again(**settings: Any) -> list[str]:
        results = extract_poses(project, [str(clips)], replace(CONFIG, **settings))
        return [f"{result.status} {result.code}".strip() for result in results]

    assert again(batch_size=3, min_frames=4) == ["cached"] * 2
    rows = project.videos()
    project.videos_path.unlink()
    assert again() == ["cached"] * 2
    assert project.videos() == rows
    path = project.pose_path(first.video)
    path.write_bytes(path.read_bytes()[:100])
    assert again() == ["ok", "cached"]
    # Every joint scores 0.9 and is then "not seen".
    for status in ("degraded V022", "cached V022"):
        assert again(joint_threshold=0.95) == [status] * 2
    assert np.isnan(project.read_pose(first.video)[0].xy).all()


def test_auto_is_content_with_any_of_its_networks(project: StoredProject, clips: Path) -> None:
    """Poses made where there is a GPU stay current where there is none."""
    (result,) = extract_poses(project, [str(clips / "anna")], CONFIG)
    pose, _ = project.read_pose(result.video)
    auto = replace(CONFIG, detector="auto", pose="auto")
    recipes = PoseRecipes(project, auto).of(project.videos()[0])
    assert len({recipe.key for recipe in recipes}) == 2 * 3
    assert len(PoseRecipes(project, replace(CONFIG, pose="auto")).of(project.videos()[0])) == 2
    for recipe in recipes:
        project.write_pose(result.video, pose, recipe)
        assert [r.status for r in extract_poses(project, [str(clips / "anna")], auto)] == ["cached"]


def test_auto_goes_by_the_device_and_by_the_clips_that_are_there(
    project: StoredProject, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")

    def networks(cuda: bool) -> tuple[str, str]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        run = Extraction(project, PosesConfig(), "auto", Progress())
        return run.pose_name, run.detector_name

    assert networks(cuda=False) == ("blazepose", "blazepose")
    assert networks(cuda=True) == ("hrnet-w32-msra", "fasterrcnn")
    (result,) = extract_poses(project, [str(clips / "anna")], CONFIG)
    assert networks(cuda=False) == ("blazepose", "blazepose")  # a network that auto never means
    pose, recipe = project.read_pose(result.video)
    project.write_pose(result.video, replace(pose, info={"pose": "hrnet-w32-msra"}), recipe)
    assert networks(cuda=False) == ("hrnet-w32-msra", "fasterrcnn-mobilenet")
    chosen = Extraction(project, PosesConfig(pose="hrnet-w48"), "cpu", Progress())
    assert chosen.pose_name == "hrnet-w48"


def test_the_networks_that_nobody_chose_are_named_once(
    project: StoredProject, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")  # which device there is

    notes: list[str] = []
    progress = Progress()
    monkeypatch.setattr(progress, "note", notes.append)
    monkeypatch.setattr(extraction, "resolve_pose", lambda *_: grey_people.GreyPose())
    monkeypatch.setattr(extraction, "resolve_detector", lambda *_: grey_people.GreyDetector())
    options = ExtractOptions(device="cpu")
    extract_poses(project, [str(clips)], PosesConfig(), options, progress=progress)
    assert notes == [
        "joints by blazepose, people by blazepose; "
        "la2ds extract-poses --pose NAME chooses another network"
    ]
    pose, recipe = project.read_pose(project.videos()[0].id)
    assert (pose.info["pose"], pose.info["detector"]) == ("blazepose", "blazepose")
    assert recipe.config["pose"].startswith("blazepose:")


# --- bad files --------------------------------------------------------------------------


def test_the_best_score_is_told_when_nobody_is_found(project: StoredProject, clips: Path) -> None:
    strict = replace(CONFIG, detect_threshold=0.95)
    (result,) = extract_poses(project, [str(clips / "anna")], strict)
    assert result.code == "V020"
    assert "20 frames" in result.message
    assert "0.90" in result.message
    # A limit that the clip then meets, and no advice to lower it where there is nothing to find.
    limit = re.search(r"detect_threshold = ([0-9.]+) ", result.hint)
    assert limit
    lower = replace(CONFIG, detect_threshold=float(limit[1]))
    assert extract_poses(project, [str(clips / "anna")], lower)[0].usable
    film(clips / "nobody.mp4", [{}] * 12)
    (nobody,) = extract_poses(project, [str(clips / "nobody.mp4")], CONFIG)
    assert "best score 0.00" in nobody.message
    assert "detect_threshold" not in nobody.hint
    assert "--detector" in nobody.hint


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_clips(project: StoredProject, tmp_path: Path, count: int) -> None:
    """With two people who are near each other; such clips are aligned, too."""
    near = [{100: (100 + t, 40, 140 + t, 130), 200: (112 - t, 40, 152 - t, 130)} for t in range(9)]
    film(tmp_path / "short.mp4", near[:count])
    film(tmp_path / "long.mp4", near)
    settings = "preset = 'default'\n[poses]\nmin_frames = 1\n"
    settings += "detector = 'tests.poses.grey_people'\npose = 'tests.poses.grey_people'\n"
    (project.root / "project.toml").write_text(settings)
    config = replace(CONFIG, min_frames=1)
    for result in extract_poses(project, [str(tmp_path / "*.mp4")], config):
        assert result.usable
    pose, _ = project.read_pose(ensure_pose(project, "short", config))
    assert len(pose) == count
    for pair in (["short", "long"], ["long", "short"]):
        invoke("align", *pair, "--features", "pose", "--project", project.root)


def test_frames_without_the_subject_are_nan(project: StoredProject, tmp_path: Path) -> None:
    path = tmp_path / "away.mp4"
    scenes = [*walk(30, step=0), *[{}] * 60, *walk(30, step=0)]
    film(path, scenes)
    (result,) = extract_poses(project, [str(path)], CONFIG)
    pose, _ = project.read_pose(result.video)
    seen = np.isfinite(pose.xy).reshape(120, -1).sum(axis=1) == 34
    assert seen[:30].all()
    assert seen[90:].all()
    assert not seen[30:90].any()
    assert np.isnan(pose.box[30:90]).all()
    assert not pose.score[30:90].any()
    assert pose.info["coverage"] == 0.5


def test_a_short_failure_of_the_detector_is_interpolated(
    project: StoredProject, clips: Path, monkeypatch
) -> None:
    """The detector misses frames 8 to 11; the pose network looks where the person must be."""
    count = iter(range(1000))
    original = grey_people.GreyDetector.detect

    def blink(self, images):
        return [
            np.zeros((0, 5), np.float32) if 8 <= next(count) < 12 else found
            for found in original(self, images)
        ]

    monkeypatch.setattr(grey_people.GreyDetector, "detect", blink)
    (result,) = extract_poses(project, [str(clips / "anna")], CONFIG)
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[8:12, 4, 0], 60 + 2 * np.arange(8, 12), atol=2)
    assert pose.info["coverage"] == 1


def test_what_concerns_the_whole_run_is_raised(project: StoredProject, clips: Path) -> None:
    for config, code in (
        (replace(CONFIG, pose="openpose"), ExitCode.USAGE),
        (replace(CONFIG, detector="yolo"), ExitCode.USAGE),
        (replace(CONFIG, pose="none.onnx"), ExitCode.UNREADABLE),
    ):
        with refused(code):
            extract_poses(project, [str(clips)], config)
    broken = clips / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"broken\.onnx"):
        extract_poses(project, [str(clips)], replace(CONFIG, pose=str(broken)))


# --- one clip for a later step ----------------------------------------------------------


def test_a_file_of_the_same_name_is_another_clip(
    project: StoredProject, clips: Path, tmp_path: Path, monkeypatch
) -> None:
    """As in `la2ds align clip.mp4 ...` in the folder of another clip.mp4."""
    anna = ensure_pose(project, str(clips / "anna" / "clip.mp4"), CONFIG)
    monkeypatch.chdir(clips / "ben")
    assert current_clip(project, "clip.mp4", CONFIG) is None
    ben = ensure_pose(project, "clip.mp4", CONFIG)
    assert ben != anna
    assert project.read_pose(ben)[0].xy[0, 0, 0] == pytest.approx(60, abs=2)
    assert current_clip(project, "clip.mp4", CONFIG) == ben
    # The content decides between clips of one name, of whatever folder.
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "clip.mp4").write_bytes((clips / "anna" / "clip.mp4").read_bytes())
    monkeypatch.chdir(tmp_path / "copy")
    assert current_clip(project, "clip.mp4", CONFIG) == anna
    # A person of the clip is one of this file, too.
    film(tmp_path / "copy" / "clip.mp4", walk(12))
    with pytest.raises(UserError, match=r"no person 2 of clip\.mp4") as caught:
        ensure_pose(project, "clip.mp4#2", CONFIG)
    assert caught.value.hint == "la2ds extract-poses clip.mp4 --subjects 2"


def test_a_clip_whose_source_was_moved_is_found_by_its_content(
    project: StoredProject, clips: Path, tmp_path: Path, monkeypatch
) -> None:
    anna = ensure_pose(project, str(clips / "anna" / "clip.mp4"), CONFIG)
    (tmp_path / "moved" / "clip").mkdir(parents=True)  # a folder of this name is not the clip
    monkeypatch.chdir(tmp_path / "moved")
    (clips / "anna" / "clip.mp4").rename("clip.mp4")
    for name in ("clip.mp4", "clip"):
        assert ensure_pose(project, name, CONFIG) == anna
    again = ensure_pose(project, "clip.mp4", replace(CONFIG, detect_threshold=0.5))
    paths = {video.id: project.source(video) for video in project.videos()}
    assert paths[again] == tmp_path / "moved" / "clip.mp4"
    # The file changes: what it holds now is one clip, what it held before another.
    (clips / "ben" / "clip.mp4").replace("clip.mp4")
    ben = ensure_pose(project, "clip.mp4", CONFIG)
    assert project.read_pose(ben)[0].xy[0, 0, 0] == pytest.approx(60, abs=2)
    assert current_clip(project, "clip.mp4", CONFIG) == ben


def test_ensure_pose_without_the_source(project: StoredProject, clips: Path) -> None:
    path = clips / "anna" / "clip.mp4"
    made = ensure_pose(project, str(path), CONFIG)
    path.unlink()
    assert ensure_pose(project, made, CONFIG) == made
    with refused(ExitCode.UNREADABLE, r"clip\.mp4", "V006"):
        ensure_pose(project, made, replace(CONFIG, detect_threshold=0.5))


def test_imported_poses_are_never_touched(project: StoredProject, clips: Path, monkeypatch) -> None:
    path = clips / "anna" / "clip.mp4"
    made = ensure_pose(project, str(path), CONFIG)
    pose, _ = project.read_pose(made)
    imported = Recipe("import", 1, {}, {"labels": "0" * 64})
    bare = PoseSequence.from_arrays(*pose.to_arrays())
    project.write_pose(made, replace(bare, info={}), imported)
    labels = clips / "0001.mat"
    labels.write_bytes(b"labels")
    project.write_pose("penn-0001", bare, imported)
    project.add_videos([Video("penn-0001", str(labels), "1" * 64, frames=20)])
    rows = project.videos()
    no_networks(monkeypatch)
    changed = replace(CONFIG, detect_threshold=0.7)
    assert ensure_pose(project, made, changed) == made
    assert ensure_pose(project, str(path), changed) == made
    assert ensure_pose(project, str(labels), changed) == "penn-0001"
    assert ensure_pose(project, "penn-0001", changed) == "penn-0001"
    (result,) = extract_poses(project, [str(path)], changed, ExtractOptions(overwrite=True))
    assert result.status == "cached"
    assert project.videos() == rows
    assert project.read_pose(made)[1] == imported


def test_joints_in_metres_are_kept_beside_the_others(
    project: StoredProject, clips: Path, monkeypatch
) -> None:
    """Hidden for two frames, of which nothing is known."""
    people = walk(20)
    people[8:10] = [{}] * 2
    film(clips / "anna" / "clip.mp4", people)

    flat = grey_people.GreyPose.estimate

    def estimate(self, images, boxes):
        xy, score, _ = flat(self, images, boxes)
        depth = xy[..., :1] / 100  # metres; the person goes away as they walk to the right
        world = np.concatenate([np.zeros_like(xy), depth], axis=2)
        return xy, score, world

    monkeypatch.setattr(grey_people.GreyPose, "estimate", estimate)
    (result,) = extract_poses(project, [str(clips / "anna")], CONFIG)
    pose, _ = project.read_pose(result.video)
    assert pose.world is not None
    seen = np.isfinite(pose.xy).all(axis=(1, 2))
    assert seen.tolist() == [t not in (8, 9) for t in range(20)]
    np.testing.assert_array_equal(np.isfinite(pose.world).all(axis=(1, 2)), seen)
    np.testing.assert_allclose(pose.world[seen, :, 2], pose.xy[seen, :, 0] / 100, atol=1e-5)
    np.testing.assert_array_equal(pose.world[seen][..., 0], 0)
