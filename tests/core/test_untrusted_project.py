"""What the files of a project from somebody else cannot do: name a file outside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from la2ds_cli.commands.app import app
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from tests.processes import invoke

HOSTILE = [
    "../x",
    "/tmp/x",
    "a/b",
    "a\\b",
    "..",
    ".hidden",
    "C:x",
    "a\nb",
    "a\x1b[2J",
    "",
    "a" * 200,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_id_leads_out_of_its_folder(project: StoredProject, name: str):
    with pytest.raises(ValueError, match="id"):
        Video(name, "a.mp4", "1")
    for path in (
        project.pose_path,
        project.heatmap_path,
        project.features_path,
        project.partial_poses,
        lambda video: project.embedding_path("run", video),
    ):
        with pytest.raises(UserError, match="the id ") as caught:
            path(name)
        assert caught.value.exit_code == ExitCode.MISMATCH


@pytest.mark.parametrize(
    "command", [["export", "wide-csv"], ["embed"], ["status"], ["align", "0", "1"]]
)
def test_every_command_refuses_a_video_list_with_such_an_id(
    project: StoredProject, tmp_path: Path, command: list[str]
):
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(project.pose_path("clip-0").read_bytes())
    before = outside.read_bytes()
    project.videos_path.write_text("id,path,sha256\n../../outside,a.mp4,1\nclip-1,b.mp4,2\n")
    files = [f for f in sorted(tmp_path.rglob("*")) if "logs" not in f.parts]
    done = invoke(*command, "--project", project.root, code=ExitCode.MISMATCH)
    assert "the id '../../outside'" in done.stderr
    assert outside.read_bytes() == before
    assert [f for f in sorted(tmp_path.rglob("*")) if "logs" not in f.parts] == files


FOLDERS = {
    "poses": lambda project: project.pose_path("a"),
    "poses/partial": lambda project: project.partial_poses("a"),
    "heatmaps": lambda project: project.heatmap_path("a"),
    "features": lambda project: project.features_path("a"),
    "embeddings/run": lambda project: project.embedding_path("run", "a"),
    "checkpoints/run": lambda project: project.run_dir("run"),
    "results": lambda project: project.results_dir("align"),
    "results/export/trc": lambda project: project.results_dir("export/trc"),
    "logs": lambda project: project.lock().__enter__(),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_link_of_a_folder_leads_out_of_the_project(tmp_path: Path, folder: str):
    project, outside = StoredProject.create(tmp_path / "project"), tmp_path / "outside"
    outside.mkdir()
    if folder != "logs":
        FOLDERS[folder](StoredProject.open(project.root))  # what is not there yet is no link
    (project.root / folder).parent.mkdir(parents=True, exist_ok=True)
    (project.root / folder).symlink_to(outside)
    with pytest.raises(UserError, match="outside the project") as caught:
        FOLDERS[folder](project)
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert not list(outside.iterdir())


def test_a_link_that_stays_inside_and_a_project_that_is_reached_by_one_are_fine(tmp_path: Path):
    project = StoredProject.create(tmp_path / "project")
    (project.root / "disk").mkdir()
    (project.root / "poses").symlink_to(project.root / "disk")
    (tmp_path / "link").symlink_to(project.root)
    assert StoredProject.open(tmp_path / "link").pose_path("a") == project.pose_path("a")


def test_the_lock_does_not_empty_the_file_that_a_link_names(tmp_path: Path):
    project = StoredProject.create(tmp_path / "project")
    (tmp_path / "mine.txt").write_text("mine")
    (project.root / "logs").mkdir()
    (project.root / "logs" / "lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(UserError, match="outside the project"), project.lock():
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_sources_that_link_in_a_circle_are_no_files(project: StoredProject):
    (project.root / "loop.mp4").symlink_to("loop.mp4")
    assert not project.source(Video("a", "loop.mp4", "1")).is_file()


@pytest.mark.parametrize("name", ["metrics.jsonl", "loss.jsonl"])
def test_rows_of_a_run_do_not_go_through_a_link(project: StoredProject, tmp_path: Path, name: str):
    (tmp_path / "mine.txt").write_text("mine\n")
    run = project.run_dir("default")
    run.mkdir(parents=True)
    (run / name).symlink_to(tmp_path / "mine.txt")
    command = ["train", "--set", "train.steps=2", "--set", "train.batch_size=2"]
    command += ["--set", "train.validate_every=1", "--project", str(project.root)]
    command += ["--input", "joints", "--device", "cpu"]
    CliRunner().invoke(app, command)
    assert not (run / name).is_symlink()
    assert (tmp_path / "mine.txt").read_text() == "mine\n"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_a_batch_with_names_of_any_bytes_goes_on(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    clips = os.fsencode(tmp_path / "clips")
    names = [b"caf\xe9.mp4", b"two\rlines.mp4", b"a\nb.mp4", b"=1+1.mp4", b"\xff" * 200 + b".mp4"]
    for name in names:
        with open(os.path.join(clips, name), "wb") as handle:  # noqa: PTH118, PTH123 (bytes)
            handle.write(b"no video")
    command = ["extract-poses", "clips", "--project", "p", "--json", "--pose", "blazepose"]
    done = subprocess.run(
        [sys.executable, "-c", "from la2ds_cli.main import main; main()", *command],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LA2DS_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 4, done.stderr
    items = json.loads(done.stdout)["items"]
    assert [item["code"] for item in items] == ["V001"] * 5
    assert {os.fsencode(Path(item["path"]).name) for item in items} == set(
        os.listdir(clips)  # noqa: PTH208 (bytes)
    )
    assert not (tmp_path / "p" / "videos.csv").exists()  # no project without a clip is left
