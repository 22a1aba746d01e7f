"""`la2ds import FORMAT` and `la2ds export`, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from la2ds_cli.commands.imports import POSE_FILES
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.formats import READ, WRITTEN
from la2ds_cli.main import app
from tests.formats.file_samples import write_json, write_openpose

Run = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def test_every_importer_has_a_command():
    assert sorted(POSE_FILES) == list(READ)


def test_import_makes_a_project_and_names_the_next_step(tmp_path: Path):
    folder = write_openpose(tmp_path / "out" / "anna")
    write_openpose(tmp_path / "out" / "ben")
    (folder / "clip_000000000001_keypoints.json").write_text("{")
    arguments = ["import", "openpose-json", str(folder.parent), "--fps", "30"]
    project = str(tmp_path / "project")
    result = CliRunner().invoke(
        app, [*arguments, "--size", "640x480", "--project", project, "--json"]
    )
    assert result.exit_code == ExitCode.PARTIAL
    items = json.loads(result.stdout)["items"]
    assert [(Path(i["path"]).name, i["status"], i["code"]) for i in items] == [
        ("anna", "failed", "I001"),
        ("ben", "ok", ""),
    ]
    (video,) = Project.open(Path(project)).videos()
    assert (video.width, video.height, video.fps) == (640, 480, 30)
    result = CliRunner().invoke(app, [*arguments, "--project", project])
    assert "1 ok, 1 failed" in result.stdout  # another size makes other poses
    assert "anna: clip_000000000001_keypoints.json" in result.stdout
    assert "next: la2ds" in result.stderr


def test_an_import_without_a_clip_leaves_no_project_and_suggests_nothing(tmp_path: Path):
    for name in ("a.json", "b.json"):
        write_json(tmp_path / "broken" / name, {})
    line = ["import", "coco-json", str(tmp_path / "broken"), "--project", str(tmp_path / "project")]
    result = CliRunner().invoke(app, line)
    assert (result.exit_code, "2 failed" in result.stdout) == (ExitCode.UNUSABLE, True)
    assert "no project was created" in result.stderr
    assert "next:" not in result.stderr
    assert not (tmp_path / "project").exists()


def test_export_prints_what_it_wrote(run: Run, document: Document, tmp_path: Path):
    result = run("export", "trc", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.stderr
    paths = [Path(line) for line in result.stdout.splitlines()[-4:]]
    assert [path.name for path in paths] == [f"clip-{n}.trc" for n in range(4)]
    assert all(path.is_file() for path in paths)
    result = run("export", "trc", "clip-1", "--out", str(tmp_path / "out"))
    assert result.exit_code == ExitCode.UNUSABLE
    assert "E001" in result.stdout
    items = document("export", "trc", "clip-1", "--out", str(tmp_path / "out"), "--overwrite")
    assert [(i["status"], i["video"]) for i in items["items"]] == [("ok", "clip-1")]


def test_the_help_of_export_lists_the_formats():
    page = CliRunner().invoke(app, ["export", "--help"]).stdout
    assert all(name in page for name in WRITTEN)
