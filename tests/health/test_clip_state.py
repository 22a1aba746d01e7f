"""One state of a clip: status, the studio's list and the notes of align say the same, whatever has
happened to the video, the joints and the settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from la2ds_cli.alignment.project_aligner import read_pair
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats import wide_csv
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from la2ds_cli.health.status import project_status
from la2ds_cli.poses.clip_state import CHANGED, read_clip_state
from la2ds_cli.poses.current import PoseRecipes
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.studio.clips_page import about
from tests.movement import sequence, warped_phase
from tests.poses.grey_people import CONFIG, film, walk
from tests.processes import invoke
from tests.told import Notes

NAMES = ("extracted", "filmed", "table")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a clip that was extracted, one imported with its video, and one without."""
    root = tmp_path_factory.mktemp("made")
    settings = {name: getattr(CONFIG, name) for name in ("detector", "pose")}
    project = StoredProject.create(root / "project", {"poses": settings})
    videos = project.root / "videos"
    videos.mkdir()
    film(videos / "extracted.mp4", walk(40, start=20))
    film(videos / "filmed.mp4", walk(33, start=130, step=1), fps=30)
    film(project.root / "new.mp4", walk(25, start=60))
    extract_poses(project, [str(videos / "extracted.mp4")], CONFIG)
    for name, video in (("filmed", videos / "filmed.mp4"), ("table", None)):
        table = project.root / f"{name}.csv"
        wide_csv.write_clip(sequence(warped_phase(33, seed=len(name)), fps=30), name, table)
        import_poses(project, "wide-csv", table, ImportOptions(video=video))
    return project.root


def source(project: StoredProject, name: str) -> Path:
    return project.source(clip(project, name))


def clip(project: StoredProject, name: str):
    return next(v for v in project.videos() if Path(v.path).stem == name)


def remove_video(project: StoredProject, name: str) -> None:
    source(project, name).unlink(missing_ok=True)


def move_video(project: StoredProject, name: str) -> None:
    if source(project, name).exists():
        source(project, name).replace(project.root / f"moved-{name}.mp4")


def replace_video(project: StoredProject, name: str) -> None:
    """With the times of the file before it."""
    path = source(project, name)
    before = path.stat() if path.exists() else None
    shutil.copyfile(project.root / "new.mp4", path)
    if before:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_back(project: StoredProject, name: str) -> None:
    shutil.copyfile(project.root / "kept" / name, source(project, name))


def touch(project: StoredProject, name: str) -> None:
    if source(project, name).exists():
        source(project, name).touch()


def remove_joints(project: StoredProject, name: str) -> None:
    project.pose_path(clip(project, name).id).unlink(missing_ok=True)


def damage_joints(project: StoredProject, name: str) -> None:
    path = project.pose_path(clip(project, name).id)
    if path.exists():
        path.write_bytes(path.read_bytes()[:100])


def change_options(project: StoredProject, name: str) -> None:
    project.add_videos([replace(clip(project, name), options="mirror=true")])


Event = Callable[[StoredProject, str], None]
VIDEO: dict[Event, str | None] = {
    remove_video: "gone",
    move_video: "gone",
    replace_video: "changed",
    put_back: "there",
    touch: None,
}
JOINTS: dict[Event, str] = {
    remove_joints: "missing",
    damage_joints: "damaged",
    change_options: "options",
}
EVENTS = st.tuples(st.sampled_from([*VIDEO, *JOINTS]), st.sampled_from(NAMES))


def expected(name: str, events: list[tuple[Event, str]]) -> tuple[str, str]:
    """The state of the video and of the joints after the events."""
    video, joints = "there", ""
    for event, of in events:
        if of != name:
            continue
        if event in VIDEO and not (event is move_video and video == "gone"):
            video = VIDEO[event] or video
        elif event is remove_joints:
            joints = "missing"
        elif event is damage_joints and joints != "missing":
            joints = "damaged"
        elif event is change_options and not joints and name == "extracted":
            joints = "options"
    if name == "table":
        return "none", joints
    if joints in ("missing", "damaged") and video == "changed":
        video = "there"  # what they were made from is not known
    return video, joints


def each(event: Event, *others: Event) -> list[tuple[Event, str]]:
    return [(one, name) for one in (event, *others) for name in NAMES]


@example([], False, True)
@example(each(replace_video), False, False)
@example(each(replace_video, put_back), False, False)
@example(each(move_video), True, False)
@example(each(remove_video), False, False)
@example(each(remove_joints), False, False)
@example(each(damage_joints), False, False)
@example(each(change_options), False, False)
@given(st.lists(EVENTS, max_size=5), st.booleans(), st.booleans())
def test_all_say_the_same(
    made: Path,
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[Event, str]],
    other_settings: bool,
    refused: bool,
) -> None:
    project = StoredProject.open(shutil.copytree(made, tmp_path_factory.mktemp("one") / "project"))
    (project.root / "kept").mkdir()
    for name in NAMES:
        shutil.copyfile(source(project, name), project.root / "kept" / name)
    for event, name in events:
        event(project, name)
    config = project.config()
    if other_settings:
        config = replace(config, poses=replace(config.poses, joint_threshold=0.3))
    if refused:
        config = replace(config, poses=replace(config.poses, pose=str(made / "none.onnx")))
    recipes = PoseRecipes(project, config.poses)
    status = project_status(project, config)
    poses = next(step for step in status.steps if step.step == "poses")
    for name in NAMES:
        video = clip(project, name)
        state = read_clip_state(project, video, recipes)
        film_state, joints = expected(name, events)
        assert state.video == film_state
        if name == "extracted" and joints not in ("missing", "damaged"):
            joints = joints or ("threshold" if other_settings else "")
            joints = "no such model file" if refused else joints
        assert joints in (state.joints or "")
        assert (state.joints is None) == (not joints)
        # status
        assert (video.id in status.gone) == (state.video == "gone")
        assert (video.id in status.changed) == (state.video == "changed")
        assert (video.id in poses.missing) == (state.joints == "missing")
        assert poses.stale.get(video.id) == (None if state.stale == "missing" else state.stale)
        # the studio's list
        shown = about(project, video, recipes)
        assert shown["lost"] == state.lost
        assert bool(shown["stale"] or shown["problem"]) == (state.joints is not None)
        # align, which makes joints that are not current
        if state.joints is None and state.video != "changed":
            notes = notes_of_align(project, video.id, config)
            assert (state.lost in " ".join(notes)) if state.lost else "the file" not in str(notes)
    assert poses.current == len(NAMES) - len(poses.stale) - len(poses.missing)


def notes_of_align(project: StoredProject, name: str, config) -> list[str]:
    notes = Notes()
    read_pair(project, name, name, AlignRequest(config, features="pose"), notes)
    return notes.lines


def test_a_replaced_video_is_not_current_and_what_comes_next_ends(made: Path, tmp_path: Path):
    """Extracting the new film makes another clip; the old one can then only be removed."""
    project = StoredProject.open(shutil.copytree(made, tmp_path / "project"))
    config, old = project.config(), clip(project, "extracted")
    replace_video(project, "extracted")
    status = project_status(project, config)
    assert status.steps[0].stale == {old.id: CHANGED}
    assert status.next == f"la2ds extract-poses {source(project, 'extracted')}"
    shown = " ".join(invoke("status", "--project", project.root).output.split())
    assert f"clips whose video was replaced (1): {old.id}; put" in shown
    assert any("has changed since" in line for line in notes_of_align(project, old.id, config))
    extract_poses(project, [str(source(project, "extracted"))], config.poses)
    status = project_status(project, config)
    assert status.changed == [old.id]
    assert not status.next.startswith("la2ds extract-poses")


def test_the_settings_of_the_test_are_those_of_the_project(made: Path) -> None:
    """Else every clip would be stale for them, and nothing would be compared."""
    config = StoredProject.open(made).config().poses
    assert asdict(config) == asdict(
        replace(PosesConfig(), detector=CONFIG.detector, pose=CONFIG.pose)
    )
