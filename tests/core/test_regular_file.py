"""Files of a project that are pipes, devices, links out of it, or too large: each reader refuses
them at once, in words."""

from __future__ import annotations

import ast
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.people_table import read_people
from la2ds_cli.core.project_toml import Choice
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.poses.subjects import read_subjects
from la2ds_cli.retrieval.frame_table import project_name
from la2ds_cli.studio.timeline_page import timeline_json
from la2ds_cli.training.checkpoint import load_resume, run_warnings

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX systems"),
    pytest.mark.timeout(60),  # a reader that waits for a pipe waits for ever
]
RUN = "checkpoints/run"


def _toml(project: StoredProject) -> object:
    return Choice(project, "poses", {"smooth": 1})


# What reads a file, and what it returns where a file that cannot be read counts as missing.
READERS: dict[str, tuple[Callable[[StoredProject], Any], Any]] = {
    "project.toml": (lambda p: StoredProject.open(p.root), UserError),
    "project.toml, edited": (_toml, UserError),
    "videos.csv": (lambda p: p.videos(), UserError),
    "phases.csv": (lambda p: p.phases(), UserError),
    "phases.csv, written": (lambda p: p.write_phase_table(p.phase_table()), UserError),
    "subjects.csv": (read_subjects, UserError),
    "people.csv": (lambda p: read_people(p.people_path), UserError),
    "annotations.csv": (lambda p: p.annotations(), UserError),
    "annotations.csv, changed": (lambda p: p.change_annotations([], []), UserError),
    "store-name.txt": (project_name, UserError),
    "poses/a.safetensors": (lambda p: p.read_pose("a"), UserError),
    "poses/a.safetensors, header": (lambda p: p.pose_header("a"), UserError),
    "embeddings/run/a.safetensors": (lambda p: p.read_embedding("run", "a"), UserError),
    f"{RUN}/best.safetensors": (
        lambda p: read_weights(p.run_dir("run") / "best.safetensors"),
        UserError,
    ),
    f"{RUN}/resume.pt": (lambda p: load_resume(p.run_dir("run") / "resume.pt"), None),
    f"{RUN}/recipe.json": (
        lambda p: artifact.read_recipe(p.run_dir("run") / "recipe.json"),
        artifact.ArtifactError,
    ),
    f"{RUN}/finished.json": (lambda p: run_warnings(p.run_dir("run")), []),
    "results/agreement/base.json": (
        lambda p: artifact.read_document(p.results_dir("agreement") / "base.json"),
        {},
    ),
    "results/timeline/all.json": (
        lambda p: timeline_json(None, p.results_dir("timeline") / "all.json"),
        UserError,
    ),
}


def _pipe(path: Path, _: Path) -> str:
    os.mkfifo(path)
    return "it is a pipe, not a file"


def _endless(path: Path, _: Path) -> str:
    path.symlink_to("/dev/zero")
    return "it is a link to /dev/zero, outside its folder"


def _outside(path: Path, outside: Path) -> str:
    outside.write_text("secret")
    path.symlink_to(outside)
    return f"it is a link to {outside}, outside its folder"


def _socket(path: Path, _: Path) -> str:
    here = Path.cwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)
    return ""  # the system itself does not open it


@pytest.mark.parametrize("put", [_pipe, _endless, _outside, _socket])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_of_the_project_is_refused(
    project: StoredProject, tmp_path: Path, name: str, put: Callable[[Path, Path], str]
):
    read, expected = READERS[name]
    path = project.root / name.partition(",")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    said = put(path, tmp_path / "outside.txt")
    import torch  # noqa: F401 (reading a state imports it, which takes seconds)

    start = time.process_time()
    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            read(project)
        words = str(caught.value)
        assert path.name in words
        assert said in words or name == "store-name.txt"  # which must hold a name of its own kind
        assert "secret" not in words
    else:
        assert read(project) == expected
    assert time.process_time() - start < 1
    assert path.is_symlink() or not path.is_file()


@pytest.mark.parametrize("links", [False, True])
def test_a_link_that_stays_in_the_folder(tmp_path: Path, links: bool):
    (tmp_path / "real.csv").write_text("a")
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert regular_file.text(tmp_path / "link.csv", links=links) == "a"


def test_a_link_that_a_person_names_may_lead_anywhere(tmp_path: Path):
    (tmp_path / "real.csv").write_text("a")
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link.csv"
    link.symlink_to(tmp_path / "real.csv")
    assert regular_file.content(link, links=True) == b"a"
    with pytest.raises(PermissionError, match="outside its folder"):
        regular_file.content(link)
    link.unlink()
    link.symlink_to("/dev/zero")
    with pytest.raises(PermissionError, match="it is a device, not a file"):
        regular_file.content(link, links=True)


def test_a_file_of_a_size_that_no_table_has(project: StoredProject):
    with project.phases_path.open("wb") as stream:
        stream.truncate(regular_file.MOST_BYTES + 1)  # without taking space
    with pytest.raises(UserError, match="at most 268,435,456 are read"):
        project.phases()


# --- the one way ---------------------------------------------------------------------------------

# Modules that open files in another way, and why they may.
OTHER_WAYS = {
    "core.artifact": "writes",
    "core.config": "presets that come with la2ds",
    "core.skeleton": "skeletons that come with la2ds",
    "core.errors": "os.devnull",
    "core.plugins": "modules of la2ds and of the user",
    "datasets.exercises": "a film that it has just written",
    "datasets.ui_prmd": "members of an archive that regular_file opened",
    "experiments.leaderboard": "a page that comes with la2ds",
    "experiments.printed_tables": "comes with la2ds",
    "core.source_digest": "modules of la2ds",
    "views.page": "comes with la2ds",
    "studio.clip_changes": "writes what is uploaded",
    "training.checkpoint": "writes curves",
    "video.container": "a video, which is a file (_check_file)",
    "video.media_files": "a picture, which is a file (is_file)",
}


def test_files_are_opened_in_one_way():
    found = set()
    for path in sorted((ROOT / "la2ds_cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _opens(node.func):
                name = path.relative_to(ROOT / "la2ds_cli").with_suffix("").as_posix()
                found.add(name.replace("/", "."))
    assert found == set(OTHER_WAYS)


def _opens(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        if function.attr in ("read_text", "read_bytes"):
            return True
        of_others = ("os", "StoredProject", "av", "webbrowser", "Store", "PillowImage", "Pillow")
        of_others += ("cls", "here")  # the options of a command, which open its project
        return function.attr == "open" and ast.unparse(function.value) not in of_others
    return isinstance(function, ast.Name) and function.id == "open"
