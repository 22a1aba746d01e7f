"""What a command may write where: nothing of the project is ever replaced by a result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.aligned_repetitions import align_repetitions
from la2ds_cli.compare.compare import compare
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import check_suffix, checked_outputs
from la2ds_cli.core.project import Project
from la2ds_cli.retrieval.retrieve import retrieve
from la2ds_cli.views.embedding_plot.plot import plot_embeddings
from tests.movement import add_sequence, sequence, warped_phase

LABELS = "sources/anna.json"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two clips, of which the first was imported from a JSON file, with labels."""
    project = Project.create(tmp_path / "swings")
    for seed, name in enumerate(("anna", "ben")):
        add_sequence(project, name, sequence(warped_phase(40, seed)))
    path = project.root / LABELS
    path.parent.mkdir()
    path.write_text("{}")
    project.add_videos([Video("anna", LABELS, "digest", 40, 30.0, 320, 240, "")])
    project.phases_path.write_text("video,start,end,phase\nanna,0,20,down\n")
    return project


Step = Callable[[Project, Path], object]
STEPS: dict[str, tuple[Step, str]] = {
    "align": (lambda p, out: align(p, "anna", "ben", config=p.config(), out=[out]), "phases.csv"),
    "repetitions": (
        lambda p, out: align_repetitions(
            p, "anna", "ben", config=p.config(), repetition="all", out=[out]
        ),
        "videos.csv",
    ),
    "compare": (lambda p, out: compare(p, "anna", "ben", config=p.config(), out=[out]), LABELS),
    "retrieve": (lambda p, out: retrieve(p, query="anna", out=out), LABELS),
    "plot": (lambda p, out: plot_embeddings(p, ["anna", "ben"], out=[out]), LABELS),
}


@pytest.mark.parametrize("name", STEPS)
def test_no_step_replaces_a_file_of_the_project(project: Project, name: str) -> None:
    step, file = STEPS[name]
    before = (project.root / file).read_bytes()
    with pytest.raises(UserError, match="would be lost") as refused:
        step(project, project.root / file)
    assert refused.value.exit_code == ExitCode.USAGE
    assert (project.root / file).read_bytes() == before
    assert not (project.root / "results").exists()


def test_another_way_to_write_the_path_changes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root / "sources")
    with pytest.raises(UserError, match="would be lost"):
        checked_outputs(project, [Path("../phases.csv")], "a table", [".csv"])
    assert checked_outputs(project, [Path("phases.csv")], "a table", [".csv"])


def test_the_hint_names_the_types_that_can_be_written() -> None:
    check_suffix(Path("a.PNG"), "a figure", [".png", ".svg"])
    with pytest.raises(UserError, match=r"cannot write a figure to 'a\.gif'") as refused:
        check_suffix(Path("a.gif"), "a figure", [".png", ".svg"])
    assert refused.value.hint == "end the name in one of: .png, .svg"
    with pytest.raises(UserError) as refused:
        check_suffix(Path("a"), "a page", [".html"])
    assert refused.value.hint == "end the name in .html"
