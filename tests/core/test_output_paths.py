"""Which paths a command may write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.project import Project


def test_another_way_to_write_the_path_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path / "swings")
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
    project = Project.create(tmp_path / "swings")
    project.add_videos([Video("a", str(images), "1", options="fps=10")])
    with pytest.raises(UserError, match="images belongs to the project"):
        checked_outputs(project, [images / name], "a figure", [".png"])
    beside = [images / "figures" / name, tmp_path / name]
    assert checked_outputs(project, beside, "a figure", [".png"]) == beside


@pytest.mark.parametrize(
    "name", ["checkpoints/default/recipe.json", "aside/videos.json", "results/phases/a.json"]
)
def test_results_do_not_replace_what_the_project_has_computed(tmp_path: Path, name: str) -> None:
    project = Project.create(tmp_path / "swings")
    with pytest.raises(UserError, match="belongs to the project"):
        checked_outputs(project, [project.root / name], "a table", [".json"])
    mine = project.root / "results" / "align" / "a.json"
    assert checked_outputs(project, [mine], "a table", [".json"]) == [mine]
