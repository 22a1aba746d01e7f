"""`la2ds import FORMAT` and `la2ds export`, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from la2ds_cli.commands.imports import POSE_FILES
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats import READ, WRITTEN
from tests.commands.conftest import Document, Run
from tests.formats.file_samples import write_json, write_openpose
from tests.processes import invoke


def test_every_importer_has_a_command():
    assert sorted(POSE_FILES) == list(READ)


def test_import_makes_a_project_and_names_the_next_step(tmp_path: Path):
    folder = write_openpose(tmp_path / "out" / "anna")
    write_openpose(tmp_path / "out" / "ben")
    (folder / "clip_000000000001_keypoints.json").write_text("{")
    arguments = ["import", "openpose-json", str(folder.parent), "--fps", "30"]
    project = str(tmp_path / "project")
    sized = ["--size", "640x480", "--project", project, "--json"]
    result = invoke(*arguments, *sized, code=ExitCode.PARTIAL)
    items = json.loads(result.stdout)["items"]
    assert [(Path(i["path"]).name, i["status"], i["code"]) for i in items] == [
        ("anna", "failed", "I001"),
        ("ben", "ok", ""),
    ]
    (video,) = StoredProject.open(Path(project)).videos()
    assert (video.width, video.height, video.fps) == (640, 480, 30)
    result = invoke(*arguments, "--project", project, code=ExitCode.PARTIAL)
    assert "1 ok, 1 failed" in result.stdout  # another size makes other poses
    assert "anna: clip_000000000001_keypoints.json" in result.stdout
    assert "next: la2ds" in result.stderr


def test_an_import_without_a_clip_leaves_no_project_and_suggests_nothing(tmp_path: Path):
    for name in ("a.json", "b.json"):
        write_json(tmp_path / "broken" / name, {})
    line = ["import", "coco-json", tmp_path / "broken", "--project", tmp_path / "project"]
    result = invoke(*line, code=ExitCode.UNUSABLE)
    assert "2 failed" in result.stdout
    assert "the new project was removed" in result.stderr
    assert "next:" not in result.stderr
    assert not (tmp_path / "project").exists()


def test_export_prints_what_it_wrote(run: Run, document: Document, tmp_path: Path):
    result = run("export", "trc", "--out", tmp_path / "out")
    paths = [Path(line) for line in result.stdout.splitlines()[-4:]]
    assert [path.name for path in paths] == [f"clip-{n}.trc" for n in range(4)]
    assert all(path.is_file() for path in paths)
    again = ["export", "trc", "clip-1", "--out", tmp_path / "out"]
    assert "E001" in run(*again, code=ExitCode.UNUSABLE).stdout
    items = document(*again, "--overwrite")
    assert [(i["status"], i["video"]) for i in items["items"]] == [("ok", "clip-1")]


def test_the_help_of_export_lists_the_formats():
    page = invoke("export", "--help").stdout
    assert all(name in page for name in WRITTEN)
