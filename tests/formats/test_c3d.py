"""C3D files: each form of the format, what damage is said to be, and ezc3d as the judge."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.spatial import heading
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.c3d import read_clips
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.c3d_files import DEC, INTEL, MIPS, C3dFile
from tests.formats.pose_samples import person_in_metres

Read = Callable[..., PoseSequence]
COCO = get_skeleton("coco17")
LABELS = [f"Anna:{name}" for name in COCO.joints]
WITH_EZC3D = pytest.mark.skipif(
    importlib.util.find_spec("ezc3d") is None, reason="compares with ezc3d (extra dev)"
)
# As a laboratory with this vertical has the axes x right, y down, z away.
AXES = {
    "": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "+Z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "+Y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "+X": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
}


def laboratory(up: str = "", units: str = "mm", frames: int = 6) -> FloatArray:
    """(T, 17, 3) somebody who walks to the camera; the fourth joint is missing in frame 2."""
    scale = {"mm": 1000, "cm": 100, "m": 1}[units]
    points = scale * person_in_metres(frames) @ np.array(AXES[up], float).T
    points[2, 3] = np.nan
    return points


def expected(frames: int = 6) -> FloatArray:
    world = person_in_metres(frames)
    world[2, 3] = np.nan
    return world


def world_of(pose: PoseSequence) -> FloatArray:
    assert pose.world is not None
    return pose.world


@pytest.mark.parametrize("analogue", [0, 7])
@pytest.mark.parametrize("scale", [-1.0, 0.1])
@pytest.mark.parametrize("processor", [INTEL, DEC, MIPS])
def test_each_order_of_bytes_as_integers_and_as_floats(
    tmp_path: Path, read: Read, processor: int, scale: float, analogue: int
):
    file = C3dFile(laboratory(), LABELS, processor, scale, rate=120.0, analogue=analogue, first=5)
    pose = read("c3d", file.write(tmp_path / "anna.c3d"), fps=None)
    assert (pose.skeleton, pose.fps, len(pose)) == ("coco17", 120, 6)
    step = 1e-6 if scale < 0 else scale / 2000 + 1e-6  # half a step of the integers, in metres
    np.testing.assert_allclose(world_of(pose), expected(), atol=step)
    np.testing.assert_array_equal(pose.score == 1, np.isfinite(expected()[..., 0]))


@pytest.mark.parametrize(("up", "units"), [("", "mm"), ("+Z", "m"), ("+Y", "cm"), ("+X", "mm")])
def test_units_and_vertical(tmp_path: Path, read: Read, up: str, units: str):
    more = {"POINT:Y_SCREEN": up} if up else {}
    file = C3dFile(laboratory(up, units), LABELS, units=units, parameters=more)  # pyright: ignore
    pose = read("c3d", file.write(tmp_path / "anna.c3d"), fps=None)
    np.testing.assert_allclose(world_of(pose), expected(), atol=1e-5)
    assert heading(world_of(pose), COCO) == pytest.approx(0, abs=0.2)


def test_labels_go_on_in_a_second_parameter(tmp_path: Path, read: Read):
    """The joints are those from 250 to 266 of 300 points."""
    labels = [f"m{n}" for n in range(300)]
    labels[250:267] = LABELS
    points = np.zeros((6, 300, 3))
    points[:, 250:267] = laboratory()
    pose = read("c3d", C3dFile(points, labels).write(tmp_path / "a.c3d"), fps=None)
    np.testing.assert_allclose(world_of(pose), expected(), atol=1e-5)


def test_points_without_a_label_and_labels_without_a_point(tmp_path: Path, read: Read):
    for points, labels in (
        (np.pad(laboratory(), ((0, 0), (0, 4), (0, 0))), LABELS),
        (laboratory(), [*LABELS, "RTOE", "LTOE"]),
    ):
        pose = read("c3d", C3dFile(points, labels).write(tmp_path / "a.c3d"), fps=None)
        np.testing.assert_allclose(world_of(pose), expected(), atol=1e-5)


@pytest.mark.parametrize("told", ["TRIAL", "LONG_FRAMES"])
def test_more_frames_than_the_header_can_count(tmp_path: Path, told: str):
    frames = 65_540
    ends = {"START": np.array([1, 0]), "END": np.array([4, 1])}
    more = {f"TRIAL:ACTUAL_{end}_FIELD": words for end, words in ends.items()}
    if told == "LONG_FRAMES":
        more = {"POINT:LONG_FRAMES": np.array([frames], np.float32)}
    points = np.zeros((frames, 17, 3))
    points[-6:] = laboratory()
    path = C3dFile(points, LABELS, scale=0.1, parameters=more).write(tmp_path / "a.c3d")  # pyright: ignore
    (clip,) = read_clips(path, ImportOptions())
    assert len(clip.people) == frames
    world = clip.people[frames - 1][0].world
    assert world is not None
    np.testing.assert_allclose(world, expected()[-1], atol=1e-4)


def test_a_rate_only_in_the_header(tmp_path: Path, read: Read):
    file = C3dFile(laboratory(), LABELS, rate=50.0, parameters={"POINT:RATE": ["none"]})
    assert read("c3d", file.write(tmp_path / "a.c3d"), fps=None).fps == 50


GOOD = C3dFile(laboratory(), LABELS)


def changed(at: int, *values: int) -> bytes:
    content = bytearray(GOOD.content())
    content[at : at + len(values)] = values
    return bytes(content)


def with_parameter(name: str, value: object) -> bytes:
    return C3dFile(laboratory(), LABELS, parameters={name: value}).content()  # pyright: ignore


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a C3D file", "it is not a C3D file"),
        (b"", "it is not a C3D file"),
        (GOOD.content()[:300], "it is cut off, or its header does not say where the parameters"),
        (changed(0, 0), "does not say where the parameters are"),
        (changed(0, 200), "does not say where the parameters are"),
        (changed(515, 7), "its processor type is 7, not"),
        (changed(16, 0, 0), "does not say where the frames are"),
        (changed(16, 255, 255), "does not say where the frames are"),
        (changed(2, 18), "its header has 18 points, but its parameters 17"),
        (changed(8, 9), "it has 6 of its 9 frames"),
        (changed(8, 0), "it has no frames"),
        (GOOD.content()[:-1], "it has 5 of its 6 frames"),
        (changed(4, 255, 255), "it has 0 of its 6 frames"),
        (with_parameter("POINT:SCALE", np.zeros(1, np.float32)), "its scale is 0"),
        (with_parameter("POINT:SCALE", np.array([np.nan], np.float32)), "its scale is nan"),
        (with_parameter("POINT:UNITS", ["inch"]), "its units are 'inch', not m, cm, mm"),
        # The first parameter: the length of its name and of the whole, its dimensions, its type.
        (changed(526, 127), "its parameter"),
        (changed(534, 255, 255), "does not end"),
        (changed(537, 255), "its parameter 'POINT:LABELS' is damaged"),
        (changed(538, 255, 255), "its parameter 'POINT:LABELS' is damaged"),
        (changed(536, 9), "its parameter 'POINT:LABELS' is damaged"),
    ],
)
def test_damage_is_said_in_a_sentence(tmp_path: Path, project: Project, content: bytes, said: str):
    path = tmp_path / "a.c3d"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        load_importer("c3d")(project, path)
    assert (caught.value.code, caught.value.exit_code) == ("I001", ExitCode.UNREADABLE)


def test_parameters_of_megabytes_are_refused(tmp_path: Path, project: Project):
    content = bytearray(GOOD.content())
    content[16:18] = (4000).to_bytes(2, "little")
    path = tmp_path / "a.c3d"
    path.write_bytes(bytes(content).ljust(4000 * 512, b"\1"))
    with pytest.raises(UserError, match="its parameters take 2,046,976 bytes, but at most 1 MiB"):
        load_importer("c3d")(project, path)


def test_a_file_without_labels_has_other_joints(tmp_path: Path, project: Project):
    path = tmp_path / "a.c3d"
    path.write_bytes(with_parameter("POINT:LABELS", []))
    with pytest.raises(UserError, match="no labelled points") as caught:
        load_importer("c3d")(project, path)
    assert caught.value.code == "I002"


# --- ezc3d, in a process of its own: it ends that of a test where it meets what it does not expect


def ezc3d(script: str, *arguments: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, ezc3d, numpy as np\n{script}", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


WRITE = """
points, labels = np.load(sys.argv[1]), sys.argv[4:]
file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
file["parameters"]["POINT"]["LABELS"]["value"] = labels
file["parameters"]["POINT"]["UNITS"]["value"] = [sys.argv[3]]
cells = np.zeros((4, points.shape[1], points.shape[0]))
cells[:3] = points.transpose(2, 1, 0)
file["data"]["points"] = cells
file.write(sys.argv[2])
"""
READ = """
file = ezc3d.c3d(sys.argv[1])
points = file["data"]["points"][:3].transpose(2, 1, 0)
missing = file["data"]["meta_points"]["residuals"][0].T < 0
np.save(sys.argv[2], np.where(missing[..., None], np.nan, points))
"""


@WITH_EZC3D
@pytest.mark.parametrize("units", ["mm", "m"])
def test_what_ezc3d_writes(tmp_path: Path, read: Read, units: str):
    np.save(tmp_path / "points.npy", laboratory(units=units))
    path = tmp_path / "anna.c3d"
    ezc3d(WRITE, tmp_path / "points.npy", path, Path(units), *map(Path, LABELS))
    pose = read("c3d", path, fps=None)
    assert pose.fps == 100
    np.testing.assert_allclose(world_of(pose), expected(), atol=1e-6)


@WITH_EZC3D
@pytest.mark.parametrize("analogue", [0, 7])
@pytest.mark.parametrize("scale", [-1.0, 0.1])
@pytest.mark.parametrize("processor", [INTEL, DEC])  # it does not read those of MIPS
def test_ezc3d_reads_the_same(tmp_path: Path, processor: int, scale: float, analogue: int):
    more = {
        "ANALOG:USED": np.array([analogue]),
        "ANALOG:LABELS": [f"force {n}" for n in range(analogue)],
        "ANALOG:SCALE": np.ones(analogue, np.float32),
        "ANALOG:OFFSET": np.zeros(analogue, int),
        "ANALOG:RATE": np.array([100], np.float32),
    }
    file = C3dFile(laboratory(), LABELS, processor, scale, analogue=analogue, parameters=more)  # pyright: ignore
    path = file.write(tmp_path / "a.c3d")
    ezc3d(READ, path, tmp_path / "read.npy")
    (clip,) = read_clips(path, ImportOptions())
    ours = [clip.people[t][0].world for t in range(6)]
    theirs = np.load(tmp_path / "read.npy") @ np.array(AXES["+Z"], float) / 1000
    assert np.isnan(theirs[2, 3]).all()
    np.testing.assert_allclose(np.array(ours), theirs, atol=1e-6)
