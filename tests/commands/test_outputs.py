"""No output replaces an input, under whatever name: the source of a clip, a file of the project, or
what the command line names. What la2ds names itself replaces only what la2ds wrote."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.commands.conftest import four_clips
from tests.processes import invoke

FILM = "new.mp4"  # named on the command line, and not in the project yet
COMMANDS = {  # arguments before the output, and the suffix of a link that it may have
    "align": (["align", "clip-2", FILM, "--out"], ".csv"),
    "align film": (["align", "clip-2", FILM, "--out"], ".mp4"),
    "align page": (["align", "clip-2", FILM, "--out"], ".html"),
    "align repetitions": (["align", FILM, "clip-2", "--repetition", "all", "--out"], ".png"),
    "repetitions": (["repetitions", FILM, "--out"], ".csv"),
    "timeline": (["timeline", "clip-2", "clip-3", FILM, "--out"], ".json"),
    "timeline by": (["timeline", "clip-2", "--reference", FILM, "--out"], ".svg"),
    "compare": (["compare", FILM, "clip-2", "--out"], ".html"),
    "compare attempts": (["compare", "clip-2", "--attempts", f"clip-3,{FILM}", "--out"], ".csv"),
    "report": (["report", "clip-2", FILM, "--out"], ".html"),
    "sync": (["sync", "clip-2", FILM, "--out"], ".mp4"),
    "sync persons": (["sync", f"{FILM}#2", f"{FILM}#1", "--out"], ".mp4"),
    "offset": (["offset", "clip-2", "clip-3", FILM, "--out"], ".json"),
    "plot-embeddings": (["plot-embeddings", "clip-2", FILM, "--out"], ".json"),
    "retrieve": (["retrieve", "--query", f"{FILM}@1.5", "--out"], ".json"),
    "extract-poses": (["extract-poses", FILM, "--overlay"], ".png"),
    "extract-poses of a folder": (["extract-poses", "films", "--overlay"], ".png"),
    "extract-poses by a list": (["extract-poses", "list.csv", "--overlay"], ".png"),
}
INPUTS = [
    *(FILM, "films/other.mp4", "filmed.mp4", "poses.csv"),
    *("project/project.toml", "project/videos.csv", "project/phases.csv"),
    *("project/annotations.csv", "project/poses/clip-0.safetensors"),
]
NAMED = {"films/other.mp4": "extract-poses of a folder", "list.csv": "extract-poses by a list"}


def _relative(source: Path, _: str) -> Path:
    return Path(os.path.relpath(source))


def _spelled(source: Path, _: str) -> Path:
    return Path(f"films/..//./{os.path.relpath(source)}")


def _linked(source: Path, suffix: str) -> Path:
    link = Path(f"link{suffix}")
    link.symlink_to(source)
    return link


def _hard(source: Path, suffix: str) -> Path:
    link = Path(f"hard{suffix}")
    link.hardlink_to(source)
    return link


def _below_a_link(source: Path, _: str) -> Path:
    Path("folder").symlink_to(source.parent)
    return Path("folder") / source.name


WAYS = (_relative, _spelled, _linked, _hard, _below_a_link)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, a film and a pose file that are clips of it, and films and a list that are not."""
    project = four_clips(tmp_path / "project")
    for name, source in {"clip-0": "filmed.mp4", "clip-1": "poses.csv"}.items():
        (tmp_path / source).write_bytes(b"what a person recorded: " + source.encode())
        project.add_videos([replace(project.clip(name), path=str(tmp_path / source))])
    (tmp_path / "films").mkdir()
    for name in (FILM, "films/other.mp4"):
        (tmp_path / name).write_bytes(b"what a camera recorded: " + name.encode())
    (tmp_path / "list.csv").write_text(f"path\n{FILM}\n")
    project.phases_path.write_text("video,start,end,phase\nclip-0,0,9,down\n")
    project.annotations_path.write_text("kind,file\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in files}
    return {n: p.read_bytes() for n, p in names.items() if not n.startswith("project/logs/")}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_replaces_an_input(
    folder: Path, command: str, way: Callable[[Path, str], Path]
) -> None:
    arguments, suffix = COMMANDS[command]
    for name in INPUTS:
        named = not name.startswith("films/") or NAMED[name] == command
        if not named or (name == FILM and NAMED.get("films/other.mp4") == command):
            continue
        out = way(folder / name, suffix)
        before = contents(folder)
        done = invoke(*arguments, out, "--project", "project", code=ExitCode.USAGE)
        said = " ".join(done.stderr.split())
        assert said.count("error: ") == 1, said
        assert "hint: " in said
        allowed = out.suffix == suffix or way in (_linked, _hard)
        assert not allowed or "would be lost" in said or "belongs to the project" in said, said
        assert done.stdout == ""
        assert contents(folder) == before
        assert out.samefile(folder / name)
        for link in map(Path, (f"link{suffix}", f"hard{suffix}", "folder")):
            link.unlink(missing_ok=True)


def test_a_recording_is_not_replaced_where_there_is_no_project_yet(folder: Path) -> None:
    for command in (["sync", FILM, "films/other.mp4"], ["sync", "films/other.mp4", FILM]):
        done = invoke(*command, "--out", f"films/../{FILM}", "--project", "p", code=ExitCode.USAGE)
        assert f"{FILM} is an input of this command and would be lost" in done.stderr
    assert not Path("p").exists()


def test_a_folder_of_images_that_is_named_gets_no_sheet(folder: Path) -> None:
    for number in (1, 2):
        image = folder / "images" / f"{number}.png"
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(b"a picture of a camera")
    command = ["extract-poses", "images", "--fps", "10", "--project", "project", "--overlay"]
    before = contents(folder)
    for name in ("images/1.png", "images/3.png"):
        done = invoke(*command, name, code=ExitCode.USAGE)
        assert "would be lost" in done.stderr or "belongs" in done.stderr
    assert contents(folder) == before


def test_a_table_that_a_person_made_stays(folder: Path) -> None:
    """transfer-labels names its tables itself, and so does benchmark."""
    Path("tables").mkdir()
    for name in ("boundaries.csv", "benchmark.md"):
        Path("tables", name).write_text("what a person wrote\n")
    before = contents(folder)
    project = ["--project", "project", "--out", "tables"]
    for command in (["transfer-labels", "--from", "clip-0"], ["benchmark", "--methods", "la2ds"]):
        done = invoke(*command, *project, code=ExitCode.USAGE)
        assert "is not as la2ds wrote it, and would be lost" in " ".join(done.stderr.split())
    assert contents(folder) == before


def test_an_export_replaces_no_source(folder: Path) -> None:
    project = StoredProject.open(folder / "project")
    out = folder / "poses"
    out.mkdir()
    source = out / "clip-1.csv"
    source.write_text("what a person wrote")
    project.add_videos([replace(project.clip("clip-1"), path=str(source))])
    command = ["export", "wide-csv", "--overwrite", "--project", "project", "--out"]
    Path("link").symlink_to(out)
    Path("hard").mkdir()
    Path("hard/clip-1.csv").hardlink_to(source)
    for name in ("poses", "link", "hard"):
        done = invoke(*command, name, code=ExitCode.USAGE)
        assert "belongs to the project and would be lost" in " ".join(done.stderr.split())
    assert source.read_text() == "what a person wrote"
    assert not list(out.glob("clip-0*"))
