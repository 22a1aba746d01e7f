"""Commands that search a folder leave out what la2ds made there; a person's files are all found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, Unreadable
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats import openpose_json, wide_csv
from la2ds_cli.poses.sources import collect_entries
from tests.drawn_clips import write_stamped
from tests.movement import sequence, warped_phase
from tests.poses.onnx_models import write_pose
from tests.processes import invoke


def film(path: Path, frames: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [np.full((64, 96, 3), 40 + 5 * t, np.uint8) for t in range(frames)]
    for t, image in enumerate(images):
        image[8 + 2 * t : 32 + 2 * t, 30:60] = 230
    write_stamped(path, images, [t / 20 for t in range(frames)])
    return path


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two films of unequal lengths in the current folder."""
    folder = tmp_path / "films"
    film(folder / "anna.mp4", 12)
    film(folder / "day2" / "ben.mp4", 9)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("root", [".", "swings", "../films/day2/swings"])
@pytest.mark.parametrize("named", [".", "**/*.mp4", "both"])
def test_results_do_not_become_clips(films: Path, tmp_path: Path, root: str, named: str) -> None:
    """Wherever the project lies, and however often it is extracted from the folder of the films."""
    pose = ["--detector", "full-frame", "--pose", str(write_pose(tmp_path / "pose.onnx"))]
    project = ["--project", root]
    paths = [".", "**/*.mp4"] if named == "both" else [named]
    extract = ["extract-poses", *paths, *pose, "--device", "cpu", "--overlay-videos", *project]
    invoke(*extract)
    opened = StoredProject.open(Path(root))
    videos = opened.videos_path.read_text()
    a, b = (video.id for video in opened.videos())
    outs = ["--height", "64", "--device", "cpu", *project]
    invoke("sync", a, b, *outs)
    invoke("sync", a, b, "--out", "both.mp4", *outs)
    invoke("align", a, b, "--out", "ab.png", "--out", "ab.csv", "--device", "cpu", *project)
    invoke("export", "wide-csv", *project)
    invoke(*extract)
    assert opened.videos_path.read_text() == videos
    assert (films / "both.mp4").exists()


def test_an_output_that_a_person_has_replaced_is_a_recording(films: Path) -> None:
    project = StoredProject.create(films / "swings")
    for name in ("out.mp4", "made.mp4"):
        film(films / name, 10)
    from la2ds_cli.core.output_paths import remember_output

    for name in ("out.mp4", "made.mp4"):
        remember_output(project, films / name)
    film(films / "out.mp4", 7)
    found = [Path(entry.name).name for entry in collect_entries(["."], project=project)]
    assert found == ["anna.mp4", "ben.mp4", "out.mp4"]
    named = [entry.name for entry in collect_entries(["made.mp4"], project=project)]
    assert named == ["made.mp4"]  # a file that is named counts whatever it is


@pytest.mark.parametrize("kind", ["wide-csv", "openpose-json"])
def test_exports_and_tables_are_not_imported(tmp_path: Path, kind: str) -> None:
    """`import FORMAT .` in the folder of a project finds the person's files, again and again."""
    root = tmp_path / "swings"
    project = ["--project", str(root)]
    for number, (name, length) in enumerate((("anna", 20), ("ben", 26))):
        pose = sequence(warped_phase(length, seed=number))
        if kind == "wide-csv":
            wide_csv.write_clip(pose, name, root / "own" / f"{name}.csv")
        else:
            openpose_json.write_clip(pose, name, root / "own" / name)
    fps = [] if kind == "wide-csv" else ["--fps", "30", "--skeleton", "body25"]
    invoke("import", kind, str(root / "own"), *fps, *project)
    opened = StoredProject.open(root)
    videos = opened.videos_path.read_text()
    a, b = (video.id for video in opened.videos())
    invoke("export", kind, *project)
    invoke("align", a, b, "--out", str(root / "own" / "ab.csv"), "--device", "cpu", *project)
    invoke("import", kind, str(root), *fps, *project)
    assert opened.videos_path.read_text() == videos
    other = tmp_path / "other"  # what is named is taken
    exported = root / "results" / "export" / kind
    invoke("import", kind, str(exported), *fps, "--project", str(other))
    assert len(StoredProject.open(other).videos()) == 2


@pytest.mark.parametrize("is_project", [True, False])
def test_folders_count_as_those_of_a_project_only_where_one_is(
    films: Path, is_project: bool
) -> None:
    """Films in a folder called results or poses are found where la2ds has no project."""
    for folder in ("results", "poses", "aside/deeper"):
        film(films / folder / "carla.mp4")
    (films / "project.toml").write_text('name = "of another program"\n')
    if is_project:
        (films / "videos.csv").write_text("")
    found = [entry.name for entry in collect_entries(["."])]
    assert len(found) == (2 if is_project else 5)
    shutil.rmtree(films / "aside")
    assert collect_entries(["results/carla.mp4"])[0].name == "results/carla.mp4"


@pytest.mark.parametrize("what", ["sheet", "video"])
def test_a_picture_that_fails_hides_no_result(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The poses are extracted: every clip is reported, and the command ends with the picture's
    error."""
    pose = ["--detector", "full-frame", "--pose", str(write_pose(tmp_path / "pose.onnx"))]

    def fail(*_: object) -> None:
        raise Unreadable("the picture cannot be drawn", hint="")

    name = "overlay_sheet" if what == "sheet" else "write_overlay"
    monkeypatch.setattr(f"la2ds_cli.views.pose_overlay.{name}", fail)
    option = ["--overlay", str(tmp_path / "sheet.png")] if what == "sheet" else ["--overlay-videos"]
    code = ExitCode.UNREADABLE if what == "sheet" else ExitCode.OK
    extract = ["extract-poses", ".", *pose, *option, "--device", "cpu", "--project", "swings"]
    result = invoke(*extract, "--json", code=code)
    document = json.loads(result.stdout)
    assert [item["status"] for item in document["items"]] == ["ok", "ok"]
    assert "the picture cannot be drawn" in result.stderr
    assert len(StoredProject.open(films / "swings").videos()) == 2
