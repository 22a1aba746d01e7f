"""C3D files: each form of the format, what damage is said to be, and ezc3d as the judge."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import heading
from la2ds_cli.formats.c3d import Recorded, read_clips, read_recorded
from la2ds_cli.formats.files import ImportOptions, PoseFileError
from la2ds_cli.formats.import_export import import_poses
from tests.formats.c3d_files import C3dFile, event_group, force_plates
from tests.formats.conftest import Read
from tests.formats.pose_samples import person_in_metres
from tests.processes import run_python
from tests.shared_data import GAIT, needs_gait

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
def test_points_as_integers_and_as_floats(tmp_path: Path, read: Read, scale: float, analogue: int):
    file = C3dFile(laboratory(), LABELS, scale, rate=120.0, analogue=analogue, first=5)
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


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        (0, 4, LABELS),
        (0, 0, [*LABELS, "RTOE", "LTOE"]),
        (250, 33, [*(f"m{n}" for n in range(250)), *LABELS, *(f"n{n}" for n in range(33))]),
    ],
    ids=["points without a label", "labels without a point", "labels in a second parameter"],
)
def test_points_are_found_by_their_label(
    tmp_path: Path, read: Read, before: int, after: int, labels: list[str]
):
    points = np.pad(laboratory(), ((0, 0), (before, after), (0, 0)))
    pose = read("c3d", C3dFile(points, labels).write(tmp_path / "a.c3d"), fps=None)
    np.testing.assert_allclose(world_of(pose), expected(), atol=1e-5)


def test_more_frames_than_the_header_can_count(tmp_path: Path):
    frames = 65_540
    ends = {"START": np.array([1, 0]), "END": np.array([4, 1])}
    more = {f"TRIAL:ACTUAL_{end}_FIELD": words for end, words in ends.items()}
    points = np.zeros((frames, 17, 3))
    points[-6:] = laboratory()
    path = C3dFile(points, LABELS, scale=0.1, parameters=more).write(tmp_path / "a.c3d")  # pyright: ignore
    (clip,) = read_clips(path, ImportOptions())
    assert clip.frames.number.tolist() == list(range(frames))
    assert clip.frames.world is not None
    np.testing.assert_allclose(clip.frames.world[-1], expected()[-1], atol=1e-4)


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
        (GOOD.content()[:300], "it is cut off, or its header does not say where the parameters"),
        (changed(0, 0), "does not say where the parameters are"),
        (changed(515, 85), "its processor type is 85, not"),
        (changed(16, 0, 0), "does not say where the frames are"),
        (changed(2, 18), "its header has 18 points, but its parameters 17"),
        (changed(8, 9), "it has 6 of its 9 frames"),
        (GOOD.content()[:-1], "it has 5 of its 6 frames"),
        (with_parameter("POINT:SCALE", np.zeros(1, np.float32)), "its scale is 0"),
        (with_parameter("POINT:UNITS", ["inch"]), "its units are 'inch', not m, cm, mm"),
        # The first parameter: the length of its name and of the whole, its dimensions, its type.
        (changed(526, 127), "its parameter"),
        (changed(534, 255, 255), "does not end"),
        (changed(537, 255), "its parameter 'POINT:LABELS' is damaged"),
        (changed(16, *(4000).to_bytes(2, "little")).ljust(4000 * 512, b"\1"), "at most 1 MiB"),
        (with_parameter("POINT:LABELS", []), "no labelled points"),
    ],
)
def test_damage_is_said_in_a_sentence(
    tmp_path: Path, project: StoredProject, content: bytes, said: str
):
    path = tmp_path / "a.c3d"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        import_poses(project, "c3d", path)
    assert caught.value.code == ("I002" if "labelled" in said else "I001")


# --- events -------------------------------------------------------------------------------------

WALK = event_group(
    ("Right", "Foot Off", 0.04),
    ("Left", "Foot Strike", 0.02),
    ("Left", "Foot Strike", 0.05),
    ("General", "Clap", 0.05),
)


def events_of(first: int = 1, **other: object) -> list[tuple[int, int, str]]:
    """Phases of a file of six frames at 100 Hz with the events of WALK; other: of its group."""
    more = WALK | {f"EVENT:{name}": value for name, value in other.items()}
    file = C3dFile(laboratory(), LABELS, first=first, parameters=more)  # pyright: ignore
    with tempfile.TemporaryDirectory() as folder:
        (clip,) = read_clips(file.write(Path(folder) / "a.c3d"), ImportOptions())
    return [(phase.start, phase.end, phase.name) for phase in clip.phases]


STRIKE, OFF = "left foot strike", "right foot off"


@pytest.mark.parametrize(
    ("told", "phases"),
    [
        ({}, [(0, 2, "background"), (2, 4, STRIKE), (4, 5, OFF), (5, 6, f"clap and {STRIKE}")]),
        # The clip begins at 0.04 s, with an event, or a frame after it, or before all events.
        ({"first": 5}, [(0, 1, OFF), (1, 6, f"clap and {STRIKE}")]),
        ({"first": 6}, [(0, 6, f"clap and {STRIKE}")]),
        ({"TIMES": np.array([[1, 0.02]] * 4, np.float32)}, []),  # a minute after the last frame
        (
            {"TIMES": np.zeros((4, 2), np.float32), "first": 1},
            [(0, 6, f"clap and {STRIKE} and {OFF}")],
        ),
        ({"USED": np.array([1])}, [(0, 4, "background"), (4, 6, OFF)]),
        (
            {"CONTEXTS": []},
            [
                (0, 2, "background"),
                (2, 4, "foot strike"),
                (4, 5, "foot off"),
                (5, 6, "clap and foot strike"),
            ],
        ),
    ],
)
def test_a_phase_begins_at_each_event(told: dict[str, object], phases: list[object]):
    assert events_of(**told) == phases  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"USED": np.array([5])}, "it has 4 labels and 4 times for 5 events"),
        ({"TIMES": np.zeros((3, 2), np.float32)}, "it has 4 labels and 3 times for 4 events"),
        ({"LABELS": ["Foot Off"]}, "it has 1 labels and 4 times for 4 events"),
        ({"TIMES": np.full((4, 2), np.nan, np.float32)}, "the times of its events are not numbers"),
    ],
)
def test_damaged_events_are_said_in_a_sentence(told: dict[str, object], said: str):
    with pytest.raises(PoseFileError, match=said) as caught:
        events_of(**told)  # pyright: ignore[reportArgumentType]
    assert "EVENT:USED" in caught.value.hint


def test_events_are_in_phases_csv_unless_a_person_set_others(
    tmp_path: Path, project: StoredProject
):
    path = C3dFile(laboratory(), LABELS, parameters=WALK).write(tmp_path / "a.c3d")
    (result,) = import_poses(project, "c3d", path)
    assert [phase.name for phase in project.phases()[result.video]][1:3] == [STRIKE, OFF]
    project.phases_path.write_text(f"video,start,end,phase\n{result.video},1,3,mine\n")
    import_poses(project, "c3d", path)
    assert [phase.name for phase in project.phases()[result.video]] == ["mine"]


# --- force plates -------------------------------------------------------------------------------


def stepped(path: Path, *kinds: int, wide: int = 8, **told: object) -> Recorded:
    """Of a file of six frames at 100 Hz with ten samples each: from 23 ms on, channel c of plate p
    shows 100 p + c."""
    channels = np.zeros((60, len(kinds) * wide))
    channels[23:] = np.add.outer(100 * np.arange(len(kinds)), np.arange(wide)).ravel()
    scaled = {"ANALOG:SCALE": np.full(channels.shape[1], 0.5), "ANALOG:GEN_SCALE": np.array([2.0])}
    scaled["ANALOG:OFFSET"] = np.full(channels.shape[1], -7)
    more = {**force_plates(*kinds, wide=wide), **scaled, **WALK}
    file = C3dFile(laboratory(), LABELS, channels=channels - 7, parameters=more, **told)  # pyright: ignore
    return read_recorded(file.write(path / "a.c3d"), 100)


@pytest.mark.parametrize("scale", [-1.0, 0.1])
def test_the_vertical_force_of_each_plate(tmp_path: Path, scale: float):
    """Of type 2 the third channel, of type 3 the last four together; type 4 is left out."""
    found = stepped(tmp_path, 2, 4, 3, scale=scale)
    np.testing.assert_allclose(found.time, np.arange(60) / 1000)
    step = np.arange(60) >= 23
    np.testing.assert_allclose(found.force, [2 * step, (4 * 200 + 4 + 5 + 6 + 7) * step], atol=1e-4)
    assert (0.04, OFF) in found.events
    assert len(found.events) == 4


def test_a_load_is_positive_whichever_way_it_counts_and_unknown_where_it_is_not_a_number(
    tmp_path: Path,
):
    channels = np.zeros((60, 6))
    channels[30:, 2] = -700
    channels[40, 2] = np.nan
    file = C3dFile(laboratory(), LABELS, channels=channels, parameters=force_plates(2))  # pyright: ignore
    (force,) = read_recorded(file.write(tmp_path / "a.c3d"), 100).force
    assert force[[0, 29, 30, 41]].tolist() == [0, 0, 700, 700]
    assert np.flatnonzero(np.isnan(force)).tolist() == [40]


@pytest.mark.parametrize(
    ("channels", "parameters"),
    [
        (None, force_plates(2)),
        (np.zeros((60, 6)), {}),
        (np.zeros((60, 6)), force_plates(2) | {"FORCE_PLATFORM:USED": np.array([0])}),
        (np.zeros((60, 6)), force_plates(3, wide=4)),
    ],
)
def test_files_without_a_usable_plate(tmp_path: Path, channels: FloatArray, parameters: object):
    file = C3dFile(laboratory(), LABELS, channels=channels, parameters=parameters)  # pyright: ignore
    found = read_recorded(file.write(tmp_path / "a.c3d"), 100)
    assert (len(found.force), found.events) == (0, ())


def test_analogue_values_that_do_not_fit_their_samples_are_said(tmp_path: Path):
    content = bytearray(C3dFile(laboratory(), LABELS, channels=np.zeros((60, 6))).content())
    content[18:20] = (7).to_bytes(2, "little")
    (tmp_path / "a.c3d").write_bytes(bytes(content))
    with pytest.raises(PoseFileError, match="60 analogue values for 7 samples"):
        read_recorded(tmp_path / "a.c3d", 100)


# --- ezc3d, in a process of its own: it ends that of a test where it meets what it does not expect


def ezc3d(script: str, *arguments: Path) -> str:
    """What the script prints."""
    return run_python("-c", f"import sys, ezc3d, numpy as np\n{script}", *arguments).stdout


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


@WITH_EZC3D
@pytest.mark.parametrize("units", ["mm", "m"])
def test_what_ezc3d_writes(tmp_path: Path, read: Read, units: str):
    np.save(tmp_path / "points.npy", laboratory(units=units))
    path = tmp_path / "anna.c3d"
    ezc3d(WRITE, tmp_path / "points.npy", path, Path(units), *map(Path, LABELS))
    pose = read("c3d", path, fps=None)
    assert pose.fps == 100
    np.testing.assert_allclose(world_of(pose), expected(), atol=1e-6)


FORCES = """
file = ezc3d.c3d(sys.argv[1])
np.save(sys.argv[2], file["data"]["analogs"][0][[2, 8]])  # Force.Fz1 and Force.Fz2
"""


@WITH_EZC3D
@needs_gait
def test_forces_of_a_laboratory_are_those_that_ezc3d_reads(tmp_path: Path):
    path = GAIT / "c3d" / "HC032A03.c3d"
    ezc3d(FORCES, path, tmp_path / "force.npy")
    ours = read_recorded(path, 100)
    np.testing.assert_allclose(ours.force, np.abs(np.load(tmp_path / "force.npy")), atol=1e-3)
    strikes = {name: moment for moment, name in ours.events if "strike" in name and moment < 1}
    for plate, foot in zip(ours.force, ("left", "right"), strict=True):
        loaded = ours.time[np.flatnonzero(plate > 20)[0]]
        assert loaded == pytest.approx(strikes[f"{foot} foot strike"], abs=0.015)
