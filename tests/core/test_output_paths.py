"""Which paths a command may write to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import la2ds_cli
from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import checked_outputs, write_derived, write_output
from la2ds_cli.core.stored_project import StoredProject
from tests.told import refused


def test_another_way_to_write_the_path_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = StoredProject.create(tmp_path / "swings")
    (project.root / "sources").mkdir()
    monkeypatch.chdir(project.root / "sources")
    with pytest.raises(UserError, match="would be lost"):
        checked_outputs(project, [Path("../phases.csv")], "a table", [".csv"])
    assert checked_outputs(project, [Path("phases.csv")], "a table", [".csv"])


@pytest.mark.parametrize("name", ["0001.png", "new.png"])
def test_a_folder_of_images_that_is_a_clip_gets_no_other_image(tmp_path: Path, name: str) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "0001.png").write_bytes(b"the picture of a camera")
    project = StoredProject.create(tmp_path / "swings")
    project.add_videos([Video("a", str(images), "1", options="fps=10")])
    with pytest.raises(UserError, match="images belongs to the project"):
        checked_outputs(project, [images / name], "a figure", [".png"])
    beside = [images / "figures" / name, tmp_path / name]
    assert checked_outputs(project, beside, "a figure", [".png"]) == beside


@pytest.mark.parametrize(
    "name", ["checkpoints/default/recipe.json", "aside/videos.json", "results/phases/a.json"]
)
def test_results_do_not_replace_what_the_project_has_computed(tmp_path: Path, name: str) -> None:
    project = StoredProject.create(tmp_path / "swings")
    with pytest.raises(UserError, match="belongs to the project"):
        checked_outputs(project, [project.root / name], "a table", [".json"])
    mine = project.root / "results" / "align" / "a.json"
    assert checked_outputs(project, [mine], "a table", [".json"]) == [mine]


def test_a_file_that_has_become_a_clip_since_the_check_is_not_replaced(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "swings")
    path = tmp_path / "a.csv"
    assert checked_outputs(project, [path], "a table", [".csv"]) == [path]
    write_output(project, path, "as la2ds wrote it")
    write_output(project, path, "what a person made of it")
    project.add_videos([Video("a", str(path), "1")])
    with refused(ExitCode.USAGE, "belongs to the project and would be lost"):
        write_output(project, path, "again")
    assert path.read_text() == "what a person made of it"


def test_a_name_of_la2ds_replaces_only_what_la2ds_wrote(tmp_path: Path) -> None:
    """Also after it was moved; not after it was changed, and not through a link."""
    project = StoredProject.create(tmp_path / "swings")
    path, moved, link = (tmp_path / name for name in ("a.csv", "b.csv", "c.csv"))
    write_derived(project, path, "first")
    write_derived(project, path, "second")
    path.rename(moved)
    write_derived(project, moved, "third")
    link.symlink_to(moved)
    for mine, content in ((moved, "changed"), (path, "new")):
        mine.write_text(content)
    for mine, content in ((moved, "changed"), (path, "new"), (link, "changed")):
        with refused(ExitCode.USAGE, "is not as la2ds wrote it, and would be lost"):
            write_derived(project, mine, "again")
        assert mine.read_text() == content


def test_results_are_named_and_replaced_by_la2ds(tmp_path: Path) -> None:
    """But not where one of them is a clip."""
    project = StoredProject.create(tmp_path / "swings")
    path = project.results_dir("transfer") / "phases.csv"
    write_derived(project, path, "first")
    path.write_text("changed")
    write_derived(project, path, "second")
    project.add_videos([Video("a", str(path), "1")])
    with refused(ExitCode.USAGE, "belongs to the project and would be lost"):
        write_derived(project, path, "third")
    assert path.read_text() == "second"


@pytest.mark.parametrize("ledger", ["[]", "{", '{"a": 5}', '{"a": ["x"]}'])
def test_a_damaged_list_of_what_was_written_lets_nothing_be_replaced(
    tmp_path: Path, ledger: str
) -> None:
    project = StoredProject.create(tmp_path / "swings")
    path = tmp_path / "a.csv"
    write_derived(project, path, "first")
    project.log_path("written.json").write_text(ledger)
    with refused(ExitCode.USAGE, "would be lost"):
        write_derived(project, path, "second")
    path.unlink()
    write_derived(project, path, "second")
    write_derived(project, path, "third")
    assert path.read_text() == "third"


def test_a_kill_between_note_and_file_does_not_lock_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = StoredProject.create(tmp_path / "swings")
    path = tmp_path / "a.csv"
    write_derived(project, path, "first")
    with monkeypatch.context() as broken:
        broken.setattr(artifact, "write_bytes", _only_the_ledger(artifact.write_bytes))
        with pytest.raises(KeyboardInterrupt):
            write_derived(project, path, "second")
    assert path.read_text() == "first"
    write_derived(project, path, "third")
    assert path.read_text() == "third"


def _only_the_ledger(write: Callable[[Path, bytes], None]) -> Callable[[Path, bytes], None]:
    def killed(path: Path, content: bytes) -> None:
        if path.name != "written.json":
            raise KeyboardInterrupt
        write(path, content)

    return killed


def test_only_the_functions_that_check_write_what_people_look_at() -> None:
    """Views, commands, tables of experiments and of labels."""
    root = Path(la2ds_cli.__file__).parent
    files = [path for room in ("views", "commands", "experiments") for path in root.rglob("*.py")
             if room in path.relative_to(root).parts]  # fmt: skip
    files += [root / "labels" / "propagated.py", root / "evaluation" / "evaluate.py"]
    assert len(files) > 30
    writing = re.compile(r"artifact\.write_(bytes|text|json)|\.write_(bytes|text)\(|replace_by")
    found = [path.name for path in files if writing.search(path.read_text("utf-8"))]
    assert found == []
