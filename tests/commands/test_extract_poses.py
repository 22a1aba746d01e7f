"""extract-poses with a stand-in for the step: what the command adds is under test."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import ExtractOptions
from tests.poses.grey_people import film, walk
from tests.processes import invoke


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def extract_poses(
        project: StoredProject, paths: list[str], config: Any, options: ExtractOptions, **_: Any
    ) -> Any:
        made.append({"project": project, "paths": paths, "config": config, **vars(options)})
        if config.detector == "nonsense":
            raise UserError("unknown detector 'nonsense'", hint="known: full-frame")
        project.results_dir("extract").mkdir(parents=True, exist_ok=True)  # for the report
        failed = ItemResult(paths[-1], "", "failed", 0, "V001", "not a readable video", "copy it")
        return [*(ItemResult(path, f"id-{path}", "ok", 9) for path in paths[:-1]), failed]

    monkeypatch.setattr("la2ds_cli.poses.extract.extract_poses", extract_poses)
    monkeypatch.setattr("la2ds_cli.poses.sources.stands_for_clips", lambda path: True)
    return made


def test_the_project_is_made_where_there_is_none_and_said_so(
    calls: list[dict[str, Any]], tmp_path: Path
):
    root = tmp_path / "new"
    to = ["--project", root]
    result = invoke("extract-poses", "a.mp4", "b.mp4", *to, code=ExitCode.PARTIAL)
    assert f"new project in {root}" in result.stderr
    assert result.stdout.splitlines()[-1] == "1 ok, 1 failed"
    assert calls[0]["paths"] == ["a.mp4", "b.mp4"]
    assert calls[0]["overwrite"] is False
    again = invoke("extract-poses", "http://x/a.mp4", *to, code=ExitCode.UNUSABLE)
    assert "new project" not in again.stderr
    assert calls[1]["paths"] == ["http://x/a.mp4"]  # as it was typed


def test_the_choice_of_networks_is_kept_for_later_steps(
    calls: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    arguments = ["--detector", "full-frame", "--pose", "net.onnx", "--project", "p", "--subject"]
    arguments.append("auto")
    invoke("extract-poses", "bad.mp4", *arguments, code=ExitCode.UNUSABLE)
    assert (
        StoredProject.open(tmp_path / "p").config().poses.detector == "auto"
    )  # nothing worked yet
    invoke("extract-poses", "a.mp4", "bad.mp4", *arguments, code=ExitCode.PARTIAL)
    assert (calls[0]["config"].detector, calls[0]["subject"]) == ("full-frame", "auto")
    kept = StoredProject.open(tmp_path / "p").config().poses
    assert kept == calls[0]["config"]
    assert kept.pose == str(tmp_path / "net.onnx")


@pytest.mark.parametrize("name", ["klips", "klips/*.mp4", "empty", "klips/a.mp4"])
def test_a_mistyped_folder_makes_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    result = invoke("extract-poses", name, "--project", "p", code=ExitCode.UNREADABLE)
    assert name in result.stderr
    assert "V006" in result.stderr
    assert "no project was created" in result.stderr
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("extract-poses a.mp4 --detector nope", ExitCode.USAGE),
        ("extract-poses a.mp4 --subject nobody", ExitCode.USAGE),
        ("extract-poses a.mp4 --subject 0", ExitCode.USAGE),
        ("extract-poses a.mp4 --overlay p/poses/a.png", ExitCode.USAGE),
        ("extract-poses a.mp4 --pose nope.onnx --shard 1/2", ExitCode.UNREADABLE),
        ("align a.mp4 b.mp4 --method nope", ExitCode.USAGE),
        ("sync a.mp4 b.mp4 --out x.txt", ExitCode.USAGE),
    ],
)
def test_arguments_that_are_refused_make_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, code: ExitCode, existed: bool
):
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("a.mp4", "b.mp4")):
        film(tmp_path / name, walk(12 + n))
    if existed:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "mine.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    result = invoke(*line.split(), "--project", "p", "--device", "cpu", code=code)
    assert "the new project was removed" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_new_project_that_another_command_uses_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    film(tmp_path / "a.mp4", walk(12))

    def extract_poses(project: StoredProject, *_: object, **__: object):
        held.enter_context(project.shard_lock(2, 2))
        raise UserError("no")

    monkeypatch.setattr("la2ds_cli.poses.extract.extract_poses", extract_poses)
    with ExitStack() as held:
        arguments = ["extract-poses", tmp_path / "a.mp4", "--shard", "1/2"]
        result = invoke(*arguments, "--project", tmp_path / "p", code=ExitCode.USAGE)
    assert "the new project was removed" not in result.stderr
    assert (tmp_path / "p" / "project.toml").exists()


def test_a_shard_without_clips_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Arrays of jobs are often longer than the list."""
    monkeypatch.setattr("la2ds_cli.poses.extract.extract_poses", lambda *_, **__: [])
    call = ["extract-poses", "a.mp4", "--project", StoredProject.create(tmp_path).root]
    invoke(*call, code=ExitCode.UNUSABLE)
    invoke(*call, "--shard", "2/2")
