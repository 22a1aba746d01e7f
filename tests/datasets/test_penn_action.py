"""Penn Action: three small files written here, the real ones, and labels in CARL's layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.datasets.penn_action import HIDDEN_SCORE, import_penn_action, read_clip, read_mat
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions, PoseFileError
from tests.shared_data import PENN, needs_penn
from tests.told import Notes, refused


def write_mat(path: Path, *, action="golf_swing", frames=4, train=1, boxes=None, **changed):
    """A label file with joint k of frame t at (100 + 10 k + t, 50 + 5 k), all visible."""
    t, k = np.mgrid[:frames, :13].astype(np.float64)
    fields = {
        "action": action,
        "pose": "left",
        "x": 100 + 10 * k + t,
        "y": 50 + 5 * k,
        "visibility": np.ones((frames, 13), dtype=np.uint8),
        "train": train,
        "bbox": np.tile([91.0, 41, 241, 131], (frames if boxes is None else boxes, 1)),
        "dimensions": np.array([360, 480, frames], dtype=np.uint16),
        "nframes": frames,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, fields | changed, do_compression=True)  # as the data set's files are
    return path


def pose_of(path: Path) -> PoseSequence:
    return to_sequence(read_clip(path), ImportOptions())


@pytest.fixture
def root(tmp_path):
    """0001 golf train, 0002 golf test, 0003 squat train."""
    labels = tmp_path / "Penn_Action" / "labels"
    write_mat(labels / "0001.mat", frames=4)
    write_mat(labels / "0002.mat", frames=6, train=-1)
    write_mat(labels / "0003.mat", frames=5, action="squat")
    return labels.parent


def test_clips_of_one_action_become_poses_and_rows(root, project):
    results = import_penn_action(project, root, "golf_swing")
    assert [(r.status, r.frames) for r in results] == [("ok", 4), ("ok", 6)]
    first, second = project.videos()
    digest = file_digest(root / "labels" / "0001.mat")
    assert first.id == f"0001-{digest[:8]}" == results[0].video
    assert first.sha256 == digest
    assert Path(first.path) == root / "labels" / "0001.mat"
    assert (first.frames, first.fps, first.width, first.height) == (4, 20.0, 480, 360)
    assert (first.split, second.split) == ("train", "test")

    pose, recipe = project.read_pose(first.id)
    assert (pose.skeleton, pose.size, pose.fps) == ("penn13", (480, 360), 20.0)
    assert pose.info.items() >= {"action": "golf_swing", "view": "left", "coverage": 1.0}.items()
    np.testing.assert_allclose(pose.time, [0, 0.05, 0.1, 0.15])
    np.testing.assert_allclose(pose.xy[2, 3], [100 + 30 + 2 - 1, 50 + 15 - 1])  # 1-based files
    np.testing.assert_allclose(pose.box[0], [90, 40, 240, 130])
    assert (pose.score == 1).all()
    assert (recipe.step, recipe.inputs) == ("import", {"poses": digest})
    assert recipe.config["format"] == "penn-action"

    project.mark_video(first.id, split="test", group="me")
    import_penn_action(project, root, "golf_swing")
    assert [(v.split, v.group) for v in project.videos()] == [("test", "me"), ("test", "")]
    for path in (root / "labels").iterdir():  # then nobody knows which actions there are
        path.write_bytes(b"damaged")
    assert {r.status for r in import_penn_action(project, root, "golf_swing")} == {"failed"}


def test_joint_never_annotated_is_missing_and_an_estimate_is_fainter(tmp_path):
    clip = write_mat(tmp_path / "a.mat")
    x, y = pose_of(clip).xy[..., 0] + 1, pose_of(clip).xy[..., 1] + 1
    visible = np.ones((4, 13), dtype=np.uint8)
    visible[0, :4] = 0
    x[0, :3], y[0, :3] = [1, 0.75, 1.5], [1, 0.75, 1.5]  # (1, 1) in frames of three scales
    x[1, 0], y[1, 0] = 1, 1  # visible: believed
    pose = pose_of(write_mat(clip, x=x, y=y, visibility=visible))
    assert np.isnan(pose.xy[0, :3]).all()
    assert pose.score[0, :5].tolist() == [0, 0, 0, HIDDEN_SCORE, 1]
    np.testing.assert_allclose(pose.xy[0, 3], [129, 64])
    np.testing.assert_allclose(pose.xy[1, 0], [0, 0])


def test_small_integer_types_do_not_wrap_around(tmp_path):
    x = np.full((4, 13), 200, dtype=np.uint8)
    x[0, 0] = 0
    y = np.full((4, 13), 100, dtype=np.uint8)
    pose = pose_of(write_mat(tmp_path / "a.mat", x=x, y=y))
    np.testing.assert_allclose(pose.xy[0, :2], [[-1, 99], [199, 99]])


@pytest.mark.parametrize("boxes", [2, 3, 5, 6])
def test_boxes_are_fitted_to_the_frames(tmp_path, boxes):
    pose = pose_of(write_mat(tmp_path / "a.mat", frames=4, boxes=boxes))
    assert pose.box.shape == (4, 4)
    np.testing.assert_allclose(pose.box[-1], [90, 40, 240, 130])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.ones((4, 12))}, r"expected x, y, visibility \(frames, 13\)"),
        ({"x": "text"}, "the file does not follow the format"),
        ({"boxes": 9}, r"expected bbox \(4, 4\)"),
        ({"dimensions": 1j}, "'dimensions'"),
        ({"dimensions": [-480, 640, 4]}, "dimensions of"),
        (dict.fromkeys(("x", "y", "visibility"), np.ones((100_001, 13), "u1")), "not 1 to 100,000"),
        ({"other": np.zeros(65 << 20, np.uint8)}, "more than 67,"),
    ],
)
def test_fields_that_do_not_fit_are_named(tmp_path, changed, message):
    with pytest.raises(PoseFileError, match=message):
        read_clip(write_mat(tmp_path / "0001.mat", **changed))


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_and_texts_are_those_that_scipy_reads(tmp_path: Path, compressed: bool):
    """Of every type of numbers; what is no array of them is left out."""
    kinds = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
    written = {f"a_{kind}": np.arange(6).astype(kind).reshape(2, 3) for kind in kinds}
    written |= {"small": np.array([[7]], np.uint8), "none": np.zeros((0, 3)), "text": "é 1"}
    written |= {"deep": np.arange(24.0).reshape(2, 3, 4), "struct": {"a": 1}, "complex": 1j}
    savemat(tmp_path / "a.mat", written, do_compression=compressed)
    expected = loadmat(tmp_path / "a.mat")
    read = read_mat(tmp_path / "a.mat", 10_000)
    assert read.pop("text") == "é 1" == expected["text"][0]
    assert read.keys() == written.keys() - {"text", "struct", "complex"}
    for name, value in read.items():
        assert not isinstance(value, str)
        np.testing.assert_array_equal(value, np.asarray(expected[name], np.float64))
    with pytest.raises(ValueError, match="more than 100 bytes"):
        read_mat(tmp_path / "a.mat", 100)


@needs_penn
def test_real_label_files(project):
    results = import_penn_action(project, PENN, "golf_swing")
    shutil.copy(PENN / "phases_kinematic.csv", project.phases_path)
    assert {r.status for r in results} == {"ok"}
    splits = [video.split for video in project.videos()]
    assert (splits.count("train"), splits.count("test")) == (89, 77)
    assert len(project.phases()) == 136
    pose, _ = project.read_pose(results[0].video)
    width, height = pose.size
    assert np.nanmax(pose.xy[..., 0]) < width
    assert np.nanmax(pose.xy[..., 1]) < height
    assert np.nanmin(pose.xy) >= 0


# --- phases as CARL's preparation script lays them out --------------------------------------------


def write_labels(root: Path, place: str, labels: object) -> Path:
    path = root / f"{place}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(labels))
    return path


@pytest.fixture
def carl(tmp_path: Path) -> Path:
    folder = tmp_path / "penn_action_labels"
    write_labels(folder, "train/golf_swing/0001", [0, 0, 1, 2])
    write_labels(folder, "val/golf_swing/0002_label", [-1, 0, 0, 1, 1, -1])
    (folder / "train.pkl").write_bytes(b"")  # other files beside the splits
    return folder


def test_labels_become_phases(root: Path, carl: Path, project: StoredProject):
    notes = Notes()
    import_penn_action(project, root, None, progress=notes, carl_labels=carl)
    one, two, three = (v.id for v in project.videos())
    phases = project.phases()
    assert phases[one] == [Phase(0, 2, "phase 0"), Phase(2, 3, "phase 1"), Phase(3, 4, "phase 2")]
    assert phases[two] == [Phase(1, 3, "phase 0"), Phase(3, 5, "phase 1")]
    assert three not in phases
    assert notes.lines == ["clips without labels: 1"]


def test_labels_of_another_number_of_frames_are_stretched(
    root: Path, carl: Path, project: StoredProject
):
    write_labels(carl, "train/golf_swing/0001", [0, 0, 0, 1, 1, 1, 2, 2])
    write_labels(carl, "val/golf_swing/0002_label", [0, 1, 2])
    import_penn_action(project, root, "golf_swing", carl_labels=carl)
    one, two = (v.id for v in project.videos())
    # Frame t takes the label of floor(t L / T): 0, 2, 4, 6 of 8, and each of 3 twice.
    assert [(p.start, p.end) for p in project.phases()[one]] == [(0, 2), (2, 3), (3, 4)]
    assert [(p.start, p.end) for p in project.phases()[two]] == [(0, 2), (2, 4), (4, 6)]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros((4, 2)), "should have one label for each frame"),
        (np.array([0, 0.5, 1, 1]), "should be whole numbers"),
        (np.array(["a", "b", "c", "d"]), "should be whole numbers"),
        (np.array([{}, {}, {}, {}]), "not a readable array"),  # pickled
        (None, "it is in the folder squat, but the clip shows golf_swing"),
    ],
)
def test_a_clip_with_wrong_labels_fails_alone(
    root: Path, carl: Path, project: StoredProject, labels: object, said: str
):
    path = carl / "train" / "golf_swing" / "0001.npy"
    if labels is None:
        path.unlink()
        path = write_labels(carl, "train/squat/0001", [0, 0, 1, 2])
    else:
        np.save(path, np.asarray(labels))
    first, second = import_penn_action(project, root, "golf_swing", carl_labels=carl)
    assert (first.status, first.code, second.status) == ("failed", "I001", "ok")
    assert said in first.message
    assert str(path) in first.message
    assert list(project.phases()) == [second.video]
    assert len(project.videos()) == 1


def test_two_files_for_a_clip_and_a_folder_without_labels(
    root: Path, carl: Path, project: StoredProject, tmp_path: Path
):
    write_labels(carl, "val/golf_swing/0001_b", [0, 0, 1, 2])
    for folder, said, code in (
        (carl, "clip 0001 has two label files", ExitCode.MISMATCH),
        (tmp_path, r"no labels like train/golf_swing/0168.npy", ExitCode.UNREADABLE),
    ):
        with refused(code, said):
            import_penn_action(project, root, "golf_swing", carl_labels=folder)
    assert not project.videos()
