"""Poses that come with their video: times, sizes, ids, and what does not fit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.clip import video_id
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats import import_export
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from la2ds_cli.poses.missing_poses import ensure_pose
from la2ds_cli.video.container import write_video
from la2ds_cli.video.reader import has_changed, read_frames, video_file
from tests.formats.file_samples import (
    coco_document,
    joints,
    mmpose_frames,
    mmpose_instance,
    openpose_frame,
    write_json,
    write_rows,
)
from tests.formats.test_tables import wide_rows
from tests.told import Notes, refused

SIZE = (320, 240)


def film(path: Path, frames: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = SIZE
    write_video(path, [np.full((height, width, 3), 5 * t, np.uint8) for t in range(frames)], 20)
    return path


def test_the_row_is_that_of_the_video(project: StoredProject, tmp_path: Path):
    video = film(tmp_path / "clips" / "anna.mp4", 6)
    path = write_json(tmp_path / "poses.json", mmpose_frames(6))
    (result,) = import_poses(project, "mmpose-json", path, ImportOptions(video=video))
    digest = file_digest(video)
    (row,) = project.videos()
    assert row.id == result.video == video_id(video, digest)  # as extraction names it
    assert (Path(row.path), row.sha256) == (video, digest)
    assert (row.frames, row.fps, row.width, row.height) == (6, 20.0, *SIZE)
    pose, recipe = project.read_pose(row.id)
    np.testing.assert_array_equal(pose.time, [frame.time for frame in read_frames(video)])
    assert recipe.inputs == {"poses": file_digest(path), "video": digest}
    again = import_poses(project, "mmpose-json", path, ImportOptions(video=video))
    assert again[0].status == "cached"
    # Other commands know the video.
    assert ensure_pose(project, str(video), project.config().poses) == result.video
    assert project.read_pose(result.video)[1].step == "import"

    project.add_videos([replace(row, options="rotate=90 slowmo=2")])
    import_poses(project, "mmpose-json", path, ImportOptions(video=video), notes := Notes())
    assert project.videos()[0].options == "slowmo=2"
    np.testing.assert_array_equal(project.read_pose(row.id)[0].time, pose.time / 2)
    assert "poses: rotate=90 no longer holds" in notes.lines[0]


@pytest.mark.parametrize(
    ("time", "frames", "part"), [(True, (2, 4), "0.1-0.2"), (False, (3, 6), "0.15-"),
                                 (True, (0, 3), "0-0.15")])  # fmt: skip
def test_a_part_of_a_film_is_imported_with_it(
    project: StoredProject, tmp_path: Path, time: bool, frames: tuple[int, int], part: str
):
    video = film(tmp_path / "anna.mp4", 6)
    rows = wide_rows(8, time=time)
    path = write_rows(tmp_path / "a.csv", [rows[0], *rows[1 + frames[0] : 1 + frames[1]]])
    (result,) = import_poses(project, "wide-csv", path, ImportOptions(video=video))
    assert result.video == video_id(video, file_digest(video), part=part)
    pose, file = project.read_pose(result.video)[0], video_file(project, project.videos()[0])
    assert file is not None
    shown = [(frame.source, frame.time) for frame in file.frames()]
    assert [*zip(pose.frame, pose.time, strict=True)] == shown
    write_rows(path, [rows[0], *rows[3:]])
    with refused(ExitCode.MISMATCH, "poses end with frame 7, but anna.mp4 has 6", "I004"):
        import_poses(project, "wide-csv", path, ImportOptions(video=video))


@pytest.mark.parametrize(("poses", "kept"), [(6, 6), (7, 6), (5, 5), (4, None), (8, None)])
def test_one_frame_more_or_less_is_let_pass_and_no_other_count(
    project: StoredProject, tmp_path: Path, poses: int, kept: int | None
):
    video = film(tmp_path / "anna.mp4", 6)
    path = write_json(tmp_path / "poses.json", mmpose_frames(poses))
    options = ImportOptions(video=video)
    if kept is not None:
        (result,) = import_poses(project, "mmpose-json", path, options)
        assert (result.status, result.frames) == ("ok", kept)
        return
    with refused(ExitCode.MISMATCH, f"for {poses} frames, but anna.mp4 has 6", "I004"):
        import_poses(project, "mmpose-json", path, options)
    assert not project.videos()


def test_a_folder_of_videos_goes_with_a_folder_of_poses(project: StoredProject, tmp_path: Path):
    for name, frames in (("anna", 6), ("ben", 5), ("eve", 9)):
        write_json(tmp_path / "poses" / f"{name}.json", mmpose_frames(frames))
        if name != "eve":
            film(tmp_path / "clips" / f"{name}.mp4", 6 if name == "anna" else 12)
    write_json(tmp_path / "poses" / "more" / "anna.json", mmpose_frames(6))
    options = ImportOptions(video=tmp_path / "clips")
    results = import_poses(project, "mmpose-json", tmp_path / "poses", options)
    assert [(Path(r.path).stem, r.status, r.code) for r in results] == [
        ("anna", "ok", ""),
        ("ben", "failed", "I004"),
        ("eve", "failed", "I004"),
        ("anna", "failed", "I004"),
    ]
    assert "5 frames, but ben.mp4 has 12" in results[1].message
    assert "no video called eve" in results[2].message
    assert f"anna.mp4, already has the poses of {results[0].path}" in results[3].message
    options = ImportOptions(video=tmp_path / "clips" / "anna.mp4")  # one for several clips
    results = import_poses(project, "mmpose-json", tmp_path / "poses", options)
    assert {r.code for r in results} == {"I004"}


@pytest.mark.parametrize(
    ("name", "video", "code", "said"),
    [
        ("coco-json", "anna.mp4", "I004", r"640x480 pixels, but anna\.mp4 has 320x240"),
        ("mmpose-json", "files", "I004", "no video called poses"),
        ("mmpose-json", "files/poses.json", "I004", "text or a list"),
        ("mmpose-json", "no.mp4", "", "there is no video"),
    ],
)
def test_a_video_that_does_not_belong(
    project: StoredProject, tmp_path: Path, name: str, video: str, code: str, said: str
):
    film(tmp_path / "anna.mp4", 6)
    document = coco_document(6) if name == "coco-json" else mmpose_frames(6)
    path = write_json(tmp_path / "files" / "poses.json", document)
    with pytest.raises(UserError, match=said) as caught:
        import_poses(project, name, path, ImportOptions(video=tmp_path / video))
    assert caught.value.code == code


@pytest.mark.parametrize("what", ["poses", "video"])
@pytest.mark.parametrize("batch", [False, True])
def test_a_file_that_changes_while_it_is_imported(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, batch: bool
):
    """Its joints are not stored under the digest of what it holds now; a batch goes on."""
    folder, videos = tmp_path / "poses", tmp_path / "clips"
    for name, frames in (("anna", 6), ("ben", 9)):
        film(videos / f"{name}.mp4", frames)
        write_json(folder / f"{name}.json", mmpose_frames(frames))
    other = write_json(tmp_path / "other.json", mmpose_frames(7))
    if what == "video":
        other = film(tmp_path / "other.mp4", 7)
    target = videos / "anna.mp4" if what == "video" else folder / "anna.json"
    whole = import_export.to_sequence

    def replaced(clip, *given):
        if clip.name == "anna":
            other.replace(target)
        return whole(clip, *given)

    root = folder if batch else folder / "anna.json"
    with monkeypatch.context() as patch:
        patch.setattr(import_export, "to_sequence", replaced)
        if not batch:
            with refused(ExitCode.UNREADABLE, "changed while it was read", "V014"):
                import_poses(project, "mmpose-json", root, ImportOptions(video=videos))
        else:
            results = import_poses(project, "mmpose-json", root, ImportOptions(video=videos))
            assert [result.code for result in results] == ["V014", ""]
            assert [result.status for result in results] == ["failed", "ok"]
    assert [Path(row.path).stem for row in project.videos()] == ["ben"] * batch
    assert len(project.posed()) == batch


def test_an_imported_clip_whose_video_is_replaced_later_has_changed(
    project: StoredProject, tmp_path: Path
):
    video = film(tmp_path / "anna.mp4", 6)
    path = write_json(tmp_path / "poses.json", mmpose_frames(6))
    import_poses(project, "mmpose-json", path, ImportOptions(video=video))
    (row,) = project.videos()
    before = video.stat()
    assert not has_changed(project, row)
    film(tmp_path / "other.mp4", 9).replace(video)
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert has_changed(project, row)


# --- rates and frame numbers --------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 30])
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("name", ["coco-json", "wide-csv"])
@pytest.mark.parametrize("fps", [None, 30.0])
def test_the_rate_is_that_of_the_times(
    project: StoredProject, tmp_path: Path, name: str, step: int, first: int, fps: float | None
):
    """Of every n-th frame of a film, whatever rate the file says of the film."""
    numbers = [first + step * k for k in range(12 - step)]
    if name == "coco-json":
        document = coco_document(len(numbers))
        document["videos"] = [{"id": 1, "name": "anna.mp4", "fps": 30}]
        for image, number in zip(document["images"], numbers, strict=True):
            image |= {"video_id": 1, "frame_id": number, "time": number / 30}
        path = write_json(tmp_path / "anna.json", document)
    else:
        rows = wide_rows(len(numbers))
        for row, number in zip(rows[1:], numbers, strict=True):
            row[:2] = [str(number), f"{number / 30:.3f}"]
        path = write_rows(tmp_path / "anna.csv", rows)
    (result,) = import_poses(project, name, path, ImportOptions(fps=fps))
    pose, _ = project.read_pose(result.video)
    assert pose.frame.tolist() == numbers
    np.testing.assert_allclose(pose.time, np.array(numbers) / 30, atol=1e-3)
    np.testing.assert_allclose(pose.fps, 30 / step, rtol=0.005)


def test_a_wrong_rate_of_a_file_gives_way_to_its_times(project: StoredProject, tmp_path: Path):
    document = coco_document(9)
    document["videos"] = [{"id": 1, "name": "anna.mp4", "fps": 240}]  # of slow motion
    for t, image in enumerate(document["images"]):
        image |= {"video_id": 1, "frame_id": t, "time": t / 30 + 4 * (t > 4)}  # with a pause
    (result,) = import_poses(project, "coco-json", write_json(tmp_path / "a.json", document))
    np.testing.assert_allclose(project.read_pose(result.video)[0].fps, 30)


@pytest.mark.parametrize("name", ["openpose-json", "mmpose-json"])
@pytest.mark.parametrize(("first", "frames"), [(0, [0, 1, 2]), (1, [0, 1, 2]), (3, [3, 4, 5])])
def test_frame_numbers_are_those_of_the_film(
    project: StoredProject, tmp_path: Path, name: str, first: int, frames: list[int]
):
    """A part keeps its place; a count from 1 begins with the first frame."""
    video = film(tmp_path / "anna.mp4", 6 if first == 3 else 3)
    path = tmp_path / "poses"
    if name == "openpose-json":
        for t in range(3):
            file = path / f"anna_{first + t:012d}_keypoints.json"
            write_json(file, openpose_frame([joints(t, count=25)]))
    else:
        people = [mmpose_instance(joints(t)) for t in range(3)]
        document = [{"frame_id": first + t, "instances": [one]} for t, one in enumerate(people)]
        path = write_json(tmp_path / "poses.json", document)
    (result,) = import_poses(project, name, path, ImportOptions(fps=20))
    pose, _ = project.read_pose(result.video)
    assert pose.frame.tolist() == frames
    np.testing.assert_allclose(pose.time, np.array(frames) / 20)
    (result,) = import_poses(project, name, path, ImportOptions(video=video))
    pose, _ = project.read_pose(result.video)
    assert pose.frame.tolist() == frames
    np.testing.assert_allclose(pose.xy[1, :, 0], joints(1, count=pose.xy.shape[1])[:, 0])
    assert result.video.endswith("-t0.15-" if first == 3 else file_digest(video)[:8])


@pytest.mark.parametrize("other", ["anna.mov", "anna.MP4", "more/anna.mp4"])
def test_of_two_videos_of_one_name_neither_is_guessed(
    project: StoredProject, tmp_path: Path, other: str
):
    for name in ("anna.mp4", other):
        film(tmp_path / "clips" / name, 6)
    path = write_json(tmp_path / "anna.json", mmpose_frames(6))
    folder = ImportOptions(video=tmp_path / "clips")
    if "/" in other:  # only the folder itself is searched
        assert import_poses(project, "mmpose-json", path, folder)[0].usable
        return
    with refused(ExitCode.MISMATCH, f"several videos called anna .*{other}", "I004"):
        import_poses(project, "mmpose-json", path, folder)


def test_a_video_is_found_however_its_name_is_spelled(project: StoredProject, tmp_path: Path):
    film(tmp_path / "clips" / "Ame\u0301lie.mp4", 6)
    path = write_json(tmp_path / "Am\u00e9lie.json", mmpose_frames(6))
    options = ImportOptions(video=tmp_path / "clips")
    assert import_poses(project, "mmpose-json", path, options)[0].usable
