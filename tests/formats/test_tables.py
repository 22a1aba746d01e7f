"""The table formats: the project's CSV, DeepLabCut's CSV and TRC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from tests.formats.conftest import Read
from tests.formats.file_samples import dlc_rows, joints, write_rows
from tests.told import Notes, refused

COCO = get_skeleton("coco17").joints
BODY = [name for name in COCO if not name.endswith(("eye", "ear"))]

KEYS = (
    "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
)


def wide_rows(frames: int = 5, *, score: bool = True, time: bool = True) -> list[list[str]]:
    parts = ["x", "y", *(["score"] if score else [])]
    rows = [
        ["frame", *(["time"] if time else []), *(f"{name}_{p}" for name in COCO for p in parts)]
    ]
    for t in range(frames):
        values = np.column_stack([joints(t), np.full(17, 0.5)])[:, : len(parts)].ravel()
        rows.append([str(t), *([f"{t / 20:.3f}"] if time else []), *map(str, values)])
    return rows


def trc_rows(frames: int = 5, *, first: int = 1, units: str = "px") -> list[list[str]]:
    """As Sports2D writes it: no blank row, empty cells, names of Halpe without eyes and ears."""
    names = "Hip RHip RKnee RAnkle LHip LKnee LAnkle Neck Head Nose RShoulder RElbow RWrist"
    markers = [*names.split(), "LShoulder", "LElbow", "LWrist"]
    rows = [
        ["PathFileType", "4", "(X/Y/Z)", "a.trc"],
        KEYS.split(),
        ["30.0", "30.0", str(frames), str(len(markers)), units, "30.0", "0", str(frames)],
        ["Frame#", "Time", *(c for name in markers for c in (name, "", ""))],
        ["", "", *(f"{a}{k + 1}" for k in range(len(markers)) for a in "XYZ")],
    ]
    for t in range(frames):
        xyz = np.column_stack([joints(t, count=len(markers)), np.zeros(len(markers))])
        rows.append([str(t + first), f"{t / 30:.6f}", *(f"{v:.3f}" for v in xyz.ravel())])
    return rows


def test_wide_csv_without_score_with_its_own_times_and_other_columns(read: Read, tmp_path: Path):
    rows = wide_rows(score=False)
    rows = [[*row, "note" if n == 0 else "a bit late"] for n, row in enumerate(rows)]
    path = write_rows(tmp_path / "a.csv", rows)
    pose = read("wide-csv", path, fps=None)
    assert (pose.skeleton, pose.fps) == ("coco17", 20)
    np.testing.assert_allclose(pose.time, np.arange(5) / 20)
    np.testing.assert_allclose(pose.xy[3], joints(3))
    assert (pose.score == 1).all()
    assert read("wide-csv", path, fps=40).time[1] == 1 / 40  # what is told counts
    for fps in (None, 20):  # frames that are left out show nobody
        pose = read("wide-csv", write_rows(path, [*rows[:2], *rows[4:]]), fps=fps)
        assert (pose.frame.tolist(), pose.info["absent"], pose.fps) == ([0, 1, 2, 3, 4], 2, 20)
        np.testing.assert_allclose(pose.time, np.arange(5) / 20)
        assert np.isnan(pose.xy[1:3]).all()
        half = read("wide-csv", write_rows(path, [rows[0], *rows[1::2]]), fps=fps)
        assert (half.frame.tolist(), half.info["absent"]) == ([0, 2, 4], 0)
        np.testing.assert_allclose(half.time, np.arange(0, 5, 2) / 20)


def test_dlc_matches_names_and_lists_the_others(project: StoredProject, tmp_path: Path):
    notes = Notes()
    parts = ["Nose", "L_Shoulder", "RShoulder", "left elbow", "elbowR", *BODY[5:], "racket"]
    path = write_rows(tmp_path / "annaDLC_resnet50_shuffle1.csv", dlc_rows(parts))
    (result,) = import_poses(project, "dlc-csv", path, ImportOptions(fps=25), progress=notes)
    pose, _ = project.read_pose(result.video)
    assert pose.skeleton == "coco17"
    theirs = joints(2, count=len(parts))
    skeleton = get_skeleton("coco17")
    for k, name in enumerate(["nose", *BODY[1:]]):
        np.testing.assert_allclose(pose.xy[2, skeleton.index(name)], theirs[k], atol=1e-3)
    assert np.isnan(pose.xy[:, skeleton.index("left_eye")]).all()
    assert notes.lines == [
        "anna: coco17, joints not used: racket; "
        "not in the file: left_eye, right_eye, left_ear, right_ear"
    ]


def test_dlc_joints_named_by_hand(project: StoredProject, tmp_path: Path):
    parts = ["snout", "lsh", "rsh", *(name for name in BODY[3:])]
    path = write_rows(tmp_path / "a.csv", dlc_rows(parts))
    with refused(ExitCode.MISMATCH, "do not fill the skeleton", "I002") as caught:
        import_poses(project, "dlc-csv", path, ImportOptions(fps=25))
    assert "--map THEIRS=OURS" in caught.value.hint
    assert "snout, lsh, rsh" in caught.value.message
    renamed = {"snout": "nose", "LSH": "left_shoulder", "rsh": "right_shoulder"}
    (result,) = import_poses(project, "dlc-csv", path, ImportOptions(fps=25, renamed=renamed))
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[1, 5], joints(1, count=len(parts))[1], atol=1e-3)
    for theirs, ours, said, meant in (
        ("snoot", "nose", "the file has no joint 'snoot'", "snout"),
        ("snout", "noze", "there is no joint 'noze'", "nose"),
    ):
        options = ImportOptions(fps=25, renamed={theirs: ours})
        with pytest.raises(UserError, match=said) as caught:
            import_poses(project, "dlc-csv", path, options)
        assert f"did you mean '{meant}'" in caught.value.hint


def test_dlc_individuals_are_people(project: StoredProject, tmp_path: Path):
    """The one who is there all the time and larger in the picture is the subject."""
    rows = dlc_rows(COCO, frames=20, individuals=("anna", "ben"))
    for row in rows[4:12]:
        row[1 + 3 * 17 :] = [""] * (3 * 17)  # ben comes late
    path = write_rows(tmp_path / "a.csv", rows)
    (result,) = import_poses(project, "dlc-csv", path, ImportOptions(fps=25, size=(640, 480)))
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[15], joints(15), atol=1e-3)
    assert pose.info["people"] == 2


def test_trc_of_sports2d(read: Read, tmp_path: Path):
    rows = trc_rows(first=0, units="m")
    rows[7][2:5] = ["", "", ""]
    path = write_rows(tmp_path / "a_px_person00.trc", rows, "\t")
    pose = read("trc", path, fps=None)
    assert (pose.skeleton, pose.fps, len(pose)) == ("halpe26", 30, 5)
    skeleton = get_skeleton("halpe26")
    np.testing.assert_allclose(
        pose.xy[1, skeleton.index("left_wrist")], joints(1, count=16)[15], atol=1e-3
    )
    assert np.isnan(pose.xy[2, skeleton.index("mid_hip")]).all()
