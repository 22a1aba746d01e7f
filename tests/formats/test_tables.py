"""The table formats: the project's CSV, DeepLabCut's CSV and TRC."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_exporter, load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import dlc_rows, joints, write_rows
from tests.formats.pose_samples import sample
from tests.told import Notes

Read = Callable[..., PoseSequence]
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


def test_wide_csv_without_score_and_with_its_own_times(read: Read, tmp_path: Path):
    path = write_rows(tmp_path / "a.csv", wide_rows(score=False))
    pose = read("wide-csv", path, fps=None)
    assert (pose.skeleton, pose.fps) == ("coco17", 20)
    np.testing.assert_allclose(pose.time, np.arange(5) / 20)
    np.testing.assert_allclose(pose.xy[3], joints(3))
    assert (pose.score == 1).all()
    assert read("wide-csv", path, fps=40).time[1] == 1 / 40  # what is told counts


def test_wide_csv_ignores_other_columns(read: Read, tmp_path: Path):
    rows = [[*row, "note" if n == 0 else "a bit late"] for n, row in enumerate(wide_rows())]
    pose = read("wide-csv", write_rows(tmp_path / "a.csv", rows), fps=None)
    np.testing.assert_allclose(pose.xy[3], joints(3))


def test_wide_csv_without_times_needs_a_rate(project: Project, tmp_path: Path):
    path = write_rows(tmp_path / "a.csv", wide_rows(time=False))
    with pytest.raises(UserError, match="frame rate"):
        load_importer("wide-csv")(project, path)
    (result,) = load_importer("wide-csv")(project, path, ImportOptions(fps=25))
    assert result.frames == 5


def test_one_file_without_a_rate_fails_alone(project: Project, tmp_path: Path):
    folder = tmp_path / "poses"
    folder.mkdir()
    write_rows(folder / "a.csv", wide_rows())
    write_rows(folder / "b.csv", wide_rows(time=False))
    write_rows(folder / "c.csv", wide_rows())
    results = load_importer("wide-csv")(project, folder)
    assert [(r.status, r.code) for r in results] == [("ok", ""), ("failed", "I007"), ("ok", "")]
    assert results[1].message == "b.csv: the frame rate is not in the file"
    assert "--fps N" in results[1].hint
    assert [video.name for video in project.videos()] == ["a.csv", "c.csv"]


def test_dlc_matches_names_and_lists_the_others(project: Project, tmp_path: Path):
    notes = Notes()
    parts = ["Nose", "L_Shoulder", "RShoulder", "left elbow", "elbowR", *BODY[5:], "racket"]
    path = write_rows(tmp_path / "annaDLC_resnet50_shuffle1.csv", dlc_rows(parts))
    (result,) = load_importer("dlc-csv")(project, path, ImportOptions(fps=25), progress=notes)
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


def test_dlc_joints_named_by_hand(project: Project, tmp_path: Path):
    parts = ["snout", "lsh", "rsh", *(name for name in BODY[3:])]
    path = write_rows(tmp_path / "a.csv", dlc_rows(parts))
    with pytest.raises(UserError, match="do not fill the skeleton") as caught:
        load_importer("dlc-csv")(project, path, ImportOptions(fps=25))
    assert (caught.value.code, caught.value.exit_code) == ("I002", ExitCode.MISMATCH)
    assert "--map THEIRS=OURS" in caught.value.hint
    assert "snout, lsh, rsh" in caught.value.message
    renamed = {"snout": "nose", "LSH": "left_shoulder", "rsh": "right_shoulder"}
    (result,) = load_importer("dlc-csv")(project, path, ImportOptions(fps=25, renamed=renamed))
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy[1, 5], joints(1, count=len(parts))[1], atol=1e-3)


@pytest.mark.parametrize(
    ("renamed", "said", "hint"),
    [
        ({"snoot": "nose"}, "the file has no joint 'snoot'", "did you mean 'snout'"),
        ({"snout": "noze"}, "there is no joint 'noze'", "did you mean 'nose'"),
    ],
)
def test_wrong_names_in_the_map(
    project: Project, tmp_path: Path, renamed: dict[str, str], said: str, hint: str
):
    path = write_rows(tmp_path / "a.csv", dlc_rows(["snout", *BODY[1:]]))
    with pytest.raises(UserError, match=said) as caught:
        load_importer("dlc-csv")(project, path, ImportOptions(fps=25, renamed=renamed))
    assert hint in caught.value.hint


@pytest.mark.parametrize("first", [40, 5400])
def test_dlc_of_a_part_of_its_film(project: Project, tmp_path: Path, first: int):
    rows = dlc_rows(COCO)
    path = write_rows(
        tmp_path / "a.csv", [*rows[:3], *([str(first + int(row[0])), *row[1:]] for row in rows[3:])]
    )
    (result,) = load_importer("dlc-csv")(project, path, ImportOptions(fps=25))
    assert (result.status, result.frames) == ("ok", 6)
    pose, _ = project.read_pose(result.video)
    assert pose.frame.tolist() == list(range(first, first + 6))
    np.testing.assert_allclose(pose.time, pose.frame / 25)
    np.testing.assert_allclose(pose.xy[3], joints(3), atol=1e-3)
    (again,) = load_importer("dlc-csv")(project, path, ImportOptions(fps=25))
    assert again.status == "cached"


def test_dlc_individuals_are_people(project: Project, tmp_path: Path):
    """The one who is there all the time and larger in the picture is the subject."""
    rows = dlc_rows(COCO, frames=20, individuals=("anna", "ben"))
    for row in rows[4:12]:
        row[1 + 3 * 17 :] = [""] * (3 * 17)  # ben comes late
    path = write_rows(tmp_path / "a.csv", rows)
    (result,) = load_importer("dlc-csv")(project, path, ImportOptions(fps=25, size=(640, 480)))
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


def _set(row: int, column: int, text: str) -> Callable[[list[list[str]]], object]:
    return lambda rows: rows[row].__setitem__(column, text)


@pytest.mark.parametrize(
    ("name", "change", "code", "said"),
    [
        ("wide-csv", _set(2, 0, "0"), "I003", "row 3: frame 0 comes after frame 0"),
        ("wide-csv", _set(2, 0, "one"), "I003", "row 3: 'one' is not a frame number"),
        ("wide-csv", _set(2, 1, "0"), "I003", "times of its frames do not increase"),
        ("wide-csv", _set(2, 3, "?"), "I001", r"row 3, column 4 should be a number, not '\?'"),
        ("wide-csv", lambda rows: rows[2].append("1"), "I001", "row 3 has 54 columns"),
        ("wide-csv", lambda rows: rows.__setitem__(0, ["a"] * 53), "I002", "no columns <joint>_x"),
        ("wide-csv", lambda rows: rows.__delitem__(slice(1, None)), "I001", "no rows below"),
        ("dlc-csv", _set(4, 0, "0"), "I003", "frame 0 appears twice"),
        ("dlc-csv", _set(4, 0, ""), "I003", "'' is not a frame number"),
        ("dlc-csv", _set(3, 0, "labeled-data/a/img1.png"), "I003", "is not a frame number"),
        ("dlc-csv", _set(4, 3, "?"), "I001", "should be a number"),
        ("dlc-csv", _set(2, 3, "z"), "I001", "column 4 is 'z'"),
        ("dlc-csv", _set(1, 4, "nose"), "I002", "body part 'nose' appears twice"),
        ("dlc-csv", lambda rows: rows.pop(1), "I001", "no rows 'bodyparts' and 'coords'"),
        ("dlc-csv", lambda rows: rows.__delitem__(slice(3, None)), "I001", "no rows below"),
        ("trc", _set(0, 0, "Path"), "I001", "does not begin with PathFileType"),
        ("trc", _set(2, 4, "feet"), "I001", "units are 'feet', not px, m, cm, mm"),
        ("trc", _set(2, 4, "mm"), "I001", "it is 2D in mm, not in pixels"),
        ("trc", _set(6, 4, "12"), "I001", "not 2D"),
        ("trc", _set(6, 0, "1"), "I003", "row 7: frame 1 appears twice"),
        ("trc", _set(6, 1, "0"), "I003", "do not increase"),
        ("trc", _set(3, 0, "Frame"), "I001", "does not name Frame#"),
    ],
)
def test_what_is_wrong_is_said(
    project: Project, tmp_path: Path, name: str, change: Callable, code: str, said: str
):
    rows = {"wide-csv": wide_rows, "dlc-csv": lambda: dlc_rows(COCO), "trc": trc_rows}[name]()
    change(rows)
    ending, delimiter = (".trc", "\t") if name == "trc" else (".csv", ",")
    path = write_rows(tmp_path / f"bad{ending}", rows, delimiter)
    options = ImportOptions(fps=25 if name == "dlc-csv" else None)
    with pytest.raises(UserError, match=said) as caught:
        load_importer(name)(project, path, options)
    assert caught.value.code == code
    assert caught.value.message.startswith(f"{path}: ")


READ = """
import sys
from pathlib import Path
from la2ds_cli.formats.file_clip import ImportOptions, to_sequence
from la2ds_cli.formats.wide_csv import read_clips
from tests.memory import highest_memory
before = highest_memory()
(clip,) = read_clips(Path(sys.argv[1]), ImportOptions())
print(len(to_sequence(clip, ImportOptions(), None)), highest_memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_table_takes_little_more_memory_than_its_numbers(tmp_path: Path):
    """Twenty thousand frames: 8 MB of numbers, 24 MB as text; it was 118 MB."""
    frames = 20_000
    pose = sample(frames=frames, uneven=False)
    load_exporter("wide-csv")[0](pose, "a", tmp_path / "a.csv")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "a.csv")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    length, megabytes = done.stdout.split()
    assert int(length) == frames
    assert float(megabytes) < 50


def test_the_other_csv_is_suggested(project: Project, tmp_path: Path):
    wide = write_rows(tmp_path / "wide.csv", wide_rows())
    dlc = write_rows(tmp_path / "dlc.csv", dlc_rows(COCO))
    with pytest.raises(UserError) as caught:
        load_importer("dlc-csv")(project, wide, ImportOptions(fps=25))
    assert "wide-csv" in caught.value.hint
    with pytest.raises(UserError) as caught:
        load_importer("wide-csv")(project, dlc)
    assert caught.value.code in ("I001", "I002")
