"""Every bad input in a batch: one `extract-poses` over a folder with all of them, and runs of their
own for what needs options. How to write the record anew: tests.commands.bad_input_runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.commands.bad_input_files import ROWS, duet
from tests.commands.bad_input_runs import batch, compare, item_of, outcome, report
from tests.processes import invoke

# A search of folders passes these over; they are named.
NAMED = ("missing file", "folder without videos", "name longer than the system allows")
NAMED += ("dangling symlink",)
# What the report says of clips that are unusual, and fine.
FACTS = {
    "rotation metadata": {"width": 240, "height": 160, "coverage": 1.0, "margin": 1.0},
    "HDR, 10-bit": {"hdr": "PQ"},
    "odd sides": {"width": 241, "height": 161},
    "non-square pixels": {"width": 240, "height": 160},
    "read-only source": {"hdr": None},
}


def tree(folder: Path) -> dict[str, int]:
    """Everything below a folder, with its time of modification."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(folder, path of each row, outcome of the batch, whether the inputs are as they were)."""
    root = tmp_path_factory.mktemp("batch")
    paths = {}
    for number, (row, make) in enumerate(ROWS.items()):
        folder = root / "clips" / f"{number:02d}"
        folder.mkdir(parents=True)
        paths[row] = make(folder)
    before = tree(root / "clips")
    found = batch(root / "project", root / "clips", *(paths[row] for row in NAMED))
    yield root, paths, found, tree(root / "clips") == before
    (paths["read-only source"].parent).chmod(0o755)


@pytest.mark.parametrize("row", ROWS)
def test_what_a_batch_says(whole: Any, row: str) -> None:
    root, paths, found, _ = whole
    (item,) = [item for item in found["items"] if item["path"] == str(paths[row])]
    compare(row, "batch", outcome(item), root)


def test_a_batch_dies_for_no_file(whole: Any) -> None:
    _, _, found, as_before = whole
    assert found["exit_code"] == ExitCode.PARTIAL
    assert len(found["items"]) == len(ROWS)
    assert as_before  # nothing is written beside the inputs


@pytest.mark.parametrize("row", FACTS)
def test_what_the_report_notes(whole: Any, row: str) -> None:
    root, paths, _, _ = whole
    facts = report(root / "project")[str(paths[row])]
    assert {name: facts[name] for name in FACTS[row]} == {
        name: "" if value is None else str(value) for name, value in FACTS[row].items()
    }


@pytest.mark.parametrize("row", [row for row in FACTS if row != "odd sides"])
def test_unusual_clips_give_the_joints_of_usual_ones(whole: Any, row: str) -> None:
    """All are the walk that begins at x = 40, or at 48 in the read-only clip."""
    root, paths, found, _ = whole
    project = StoredProject.open(root / "project")
    (video,) = [i["video"] for i in found["items"] if i["path"] == str(paths[row])]
    pose, _ = project.read_pose(video)
    start = 48 if row == "read-only source" else 40
    np.testing.assert_allclose(pose.xy[:, 0, 0], start + 2 * np.arange(20), atol=2.5)
    np.testing.assert_allclose(pose.xy[:, 3, 1], 129, atol=2.5)


# --- rows that need options -------------------------------------------------------------------


def test_two_people_who_both_matter(tmp_path: Path) -> None:
    found = batch(tmp_path / "p", duet(tmp_path), "--subjects", "2")
    first, second = found["items"]
    compare("two people who both matter", "batch", item_of({**found, "items": [first]}), tmp_path)
    assert (second["status"], second["code"]) == ("ok", "")
    assert [video.person for video in StoredProject.open(tmp_path / "p").videos()] == [1, 2]


@pytest.mark.parametrize("row", ["folder of images", "images of two sizes", "unreadable image"])
def test_folders_of_images_with_their_rate(tmp_path: Path, row: str) -> None:
    found = batch(tmp_path / "p", ROWS[row](tmp_path), "--fps", "25")
    compare(f"{row}, --fps", "batch", item_of(found), tmp_path)


def test_a_run_without_a_usable_file_leaves_no_new_project(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    line = ["extract-poses", tmp_path / "bad.mp4", "--project", tmp_path / "new"]
    assert "V001" in invoke(*line, code=ExitCode.UNUSABLE).output
    assert not (tmp_path / "new").exists()
