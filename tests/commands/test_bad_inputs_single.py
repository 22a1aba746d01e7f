"""Every bad input of which there is something to say, given to a command for single clips: `align`
with a good clip as B. How to write the record anew: tests.commands.bad_input_runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.commands.bad_input_drawing import good
from tests.commands.bad_input_files import ROWS, duet
from tests.commands.bad_input_runs import (
    GREY,
    NETWORKS,
    batch,
    compare,
    error_of,
    grey_project,
    item_of,
    recorded,
    single,
)
from tests.processes import invoke

STREAMS = {"URL": "https://example.org/a.mp4", "standard input": "-"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(folder, project that knows a good clip, the good clip)."""
    root = tmp_path_factory.mktemp("single")
    (root / "clips").mkdir()
    return root, grey_project(root / "project"), good(root / "good.mp4", start=60)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("no person in any frame", ExitCode.UNUSABLE),
        ("several people", ExitCode.OK),
        ("truncated, too little left", ExitCode.UNUSABLE),
        ("zero bytes", ExitCode.UNREADABLE),
        ("missing file", ExitCode.UNREADABLE),
    ],
)
def test_a_single_command_says_what_a_batch_says(shared: Any, row: str, code: ExitCode) -> None:
    """Of a clip that is usable, before its message."""
    root, project, b = shared
    folder = root / "clips" / f"{list(ROWS).index(row):02d}"
    folder.mkdir()
    path, batch_says = ROWS[row](folder), recorded()[row]["batch"]
    found = single(project, path, b)
    said = f"{batch_says['message']} ({batch_says['code']})".replace("<DIR>", str(root))
    assert found["exit_code"] == code
    assert found["message"] == (said if code else f"{path}: {said}")
    assert found["hint"] == batch_says["hint"]


@pytest.mark.parametrize("row", STREAMS)
def test_streams_are_refused(shared: Any, tmp_path: Path, row: str) -> None:
    root, project, b = shared
    compare(row, "single", single(project, STREAMS[row], b), root)
    compare(row, "batch", batch(tmp_path / "p", b, STREAMS[row]), root)


def test_both_people_of_a_clip(tmp_path: Path) -> None:
    path, b = duet(tmp_path), good(tmp_path / "good.mp4")
    batch(tmp_path / "p", path, "--subjects", "2")
    found = single(tmp_path / "p", f"{path}#2", b)
    compare("two people who both matter", "single", found, tmp_path)


def test_a_second_person_who_was_not_kept(tmp_path: Path) -> None:
    path, b = duet(tmp_path), good(tmp_path / "good.mp4")
    project = grey_project(tmp_path / "p")
    found = single(project, f"{path}#2", b)
    compare("second person not kept", "single", found, tmp_path)
    batch(project, path)
    assert single(project, f"{path}#2", b) == found


def test_a_person_of_whom_no_joint_is_seen(tmp_path: Path) -> None:
    project = grey_project(tmp_path / "p", "joint_threshold = 0.95\n")
    a, b = good(tmp_path / "a.mp4"), good(tmp_path / "b.mp4", start=60)
    compare("a person, but no joint", "batch", item_of(batch(project, a)), tmp_path)
    compare("a person, but no joint", "single", single(project, a, b), tmp_path)


# --- the machine ------------------------------------------------------------------------------


def test_two_runs_at_once(tmp_path: Path) -> None:
    project = grey_project(tmp_path / "p")
    a, b = good(tmp_path / "a.mp4"), good(tmp_path / "b.mp4", start=60)
    with StoredProject.open(project).lock():
        compare("two runs at once", "batch", batch(project, a), tmp_path)
        compare("two runs at once", "single", single(project, a, b), tmp_path)
    batch(project, a, b)
    with StoredProject.open(project).lock():  # nothing has to be written
        assert single(project, a, b)["exit_code"] == ExitCode.OK


def test_cuda_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    a, networks = good(tmp_path / "a.mp4"), ("--detector", GREY, "--pose", "hrnet-demo")
    found = batch(tmp_path / "p", a, "--device", "cuda", networks=networks)
    compare("--device cuda without CUDA", "batch", found, tmp_path)
    project = grey_project(tmp_path / "q")
    text = (project / "project.toml").read_text()
    (project / "project.toml").write_text(text.replace(f'pose = "{GREY}"', 'pose = "hrnet-demo"'))
    found = single(project, a, a, "--device", "cuda")
    compare("--device cuda without CUDA", "single", found, tmp_path)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    a, networks = good(tmp_path / "a.mp4"), ("--detector", GREY, "--pose", "hrnet-w32")
    env = {"LA2DS_OFFLINE": "1", "LA2DS_HOME": str(tmp_path / "home"), "TORCH_HOME": str(tmp_path)}
    found = batch(tmp_path / "p", a, networks=networks, env=env)
    hint = found["hint"].splitlines()
    assert {line.split()[0] for line in hint[1:5]} == {"file", "sha256", "from", "to"}
    assert str(tmp_path / "home") in hint[4]
    found["hint"] = hint[0]  # what follows is the entry of the weights, which changes with them
    compare("weights missing, offline", "batch", found, tmp_path)
    # The choice that could not be had is not kept: the project goes on with the one before.
    assert batch(tmp_path / "p", a, networks=NETWORKS)["exit_code"] == ExitCode.OK


def test_videos_that_do_not_exist_are_named_before_the_project_that_does_not(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "anna.mp4", tmp_path / "ben.MOV"
    found = invoke("align", *missing, "--project", tmp_path / "p", code=ExitCode.UNREADABLE)
    assert error_of(found.stderr)["message"] == (
        f"no such files: {missing[0]}, {missing[1]} (V006)"
    )
    assert not (tmp_path / "p").exists()
    names = ["align", "anna", "ben"]  # of clips
    found = invoke(*names, "--project", tmp_path / "p", code=ExitCode.USAGE)
    assert "is not a la2ds project" in error_of(found.stderr)["message"]


def test_a_mistyped_clip_is_told_the_one_that_was_meant(tmp_path: Path) -> None:
    project = grey_project(tmp_path / "p")
    anna, bertha = good(tmp_path / "anna.mp4"), good(tmp_path / "bertha.mp4", start=60)
    batch(project, anna, bertha)
    found = invoke("align", "anna", "berta", "--project", project, code=ExitCode.UNREADABLE)
    assert error_of(found.stderr)["message"] == "no such file: berta (V006)"
    assert error_of(found.stderr)["hint"].startswith("did you mean 'bertha'?")
    # A clip that is known, whose file is gone and whose joints are, too.
    bertha.unlink()
    for pose in (project / "poses").glob("*bertha*"):
        pose.unlink()
    found = invoke("align", "anna", "bertha", "--project", project, code=ExitCode.UNREADABLE)
    assert "put it back" in error_of(found.stderr)["hint"]
