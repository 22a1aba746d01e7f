"""The paper's Tables 1 to 3, and when a figure of theirs may stand beside ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.comparison import MEAN, DataSet, Result, RunEntry
from la2ds_cli.experiments.printed_tables import find_source, paper_data, paper_methods
from la2ds_cli.experiments.scores import METRICS, TASKS
from la2ds_cli.experiments.tables import MARK, all_notes, figures, markdown
from tests.movement import sequence, warped_phase

PAPER = Path(__file__).parents[3] / "shared" / "docs" / "la2ds-paper.txt"


def test_spot_checks_of_the_three_tables() -> None:
    figures = {name: data.figures for name, data in paper_data().items()}
    assert figures["penn-action"]["casa"]["classification_50"] == 91.87
    assert figures["penn-action"]["stgcn-casa"]["precision_at_5"] == 90.32
    assert figures["penn-action"]["la2ds"]["kendalls_tau"] == 0.9887
    assert figures["ikea-asm"]["vava"]["classification"] == 32.91
    assert figures["h2o"]["la2ds"]["progression"] == 0.9280
    assert set(figures["h2o"]["tcc"]) == {
        "classification_10",
        "classification_50",
        "classification",
    }
    assert "kendalls_tau" not in figures["ikea-asm"]["la2ds"]
    assert "vivit-lav" not in figures["ikea-asm"]


def test_every_figure_is_printed_in_the_paper() -> None:
    if not PAPER.exists():
        pytest.skip("the text of the paper is not here")
    text = PAPER.read_text("utf-8")
    label = {"vivit-lav": "ViViT [2]+LAV", "stgcn-casa": "STGCN [83]+CASA", "la2ds": "LA2DS (Ours)"}
    for data in paper_data().values():
        for method, known_figures in data.figures.items():
            known = label.get(method, paper_methods()[method].label)
            lines = [
                line.replace("<u>", "").replace("</u>", "").split("\t")
                for line in text.splitlines()
                if f"\t{known}" in line
            ]
            for group in (
                ("classification_10", "classification_50", "classification"),
                ("progression", "kendalls_tau"),
                ("precision_at_5", "precision_at_10", "precision_at_15"),
            ):
                wanted = [known_figures[name] for name in group if name in known_figures]
                if wanted:
                    assert any(_ends_with(line, wanted) for line in lines), (data.name, method)


def _ends_with(cells: list[str], wanted: list[float]) -> bool:
    try:
        return [float(cell) for cell in cells[-len(wanted) :]] == wanted
    except ValueError:
        return False


def test_the_columns_are_metrics_and_the_methods_are_known() -> None:
    metrics = set(METRICS)
    shown = {metric.name for task in TASKS.values() for metric in task.metrics}
    assert shown == metrics
    for data in paper_data().values():
        assert set(data.figures) <= set(paper_methods())
        assert {name for row in data.figures.values() for name in row} <= metrics


def _project(root: Path, pose_format: str, *paths: str) -> StoredProject:
    project = StoredProject.create(root)
    for n, path in enumerate(paths):
        recipe = Recipe("import", 1, {"format": pose_format}, {"poses": str(n)})
        project.write_pose(f"clip{n}", sequence(warped_phase(20, n)), recipe)
        project.add_videos([Video(f"clip{n}", path, f"{n}" * 64)])
    return project


def test_the_source_of_clips_is_read_from_their_recipes(tmp_path: Path) -> None:
    records = _project(
        tmp_path / "a",
        "casa-npy",
        "kallax_shelf_drawer_val.npy",
        "x/../kallax_shelf_drawer_train.npy",
    )
    assert find_source(records) == "ikea-asm"
    penn = _project(tmp_path / "b", "penn-action", "0001.mat", "0002.mat")
    assert find_source(penn) == "penn-action"
    other = _project(tmp_path / "c", "casa-npy", "dances_val.npy")
    assert find_source(other) == ""
    mixed = _project(tmp_path / "d", "h2o", "a.txt")
    mixed.write_pose(
        "clip9", sequence(warped_phase(20, 9)), Recipe("import", 1, {"format": "trc"}, {})
    )
    mixed.add_videos([Video("clip9", "b.trc", "9" * 64)])
    assert find_source(mixed) == ""


def _result(sources: list[str], reads: str) -> Result:
    facts = {"protocol": "paper", "budget": "", "minutes": None, "steps": 1, "seeds": [0]}
    facts["alignment"] = {}
    found = Result("b", "B", (TASKS["classification"],), facts)
    found.labels, found.reads = {"la2ds": "LA2DS"}, {"la2ds": reads}
    for n, source in enumerate(sources):
        scores: dict[str, float | None] = {
            "classification": 50.0 + n,
            "classification_10": 40.0,
            "classification_50": 45.0,
        }
        found.data.append(DataSet(f"p{n}", source))
        entry = RunEntry(f"p{n}", "la2ds", "LA2DS", "r", "model", seed=0, steps=1, seconds=1.0)
        found.entries.append(replace(entry, scores=scores))
    return found


def _notes(result: Result) -> list[str]:
    return all_notes(result, figures(result))


def test_a_note_says_what_the_methods_read_here_and_there() -> None:
    result = _result(["ikea-asm"], "rgb")
    result.reads = {"tcc": "rgb", "lav": "joints", "sal": "joints"}
    notes = [text for text in _notes(result) if "another input in the paper" in text]
    assert [note.partition("in the paper: ")[2] for note in notes] == [
        "TCC (RGB frames there, rgb here)",
        "LAV, SAL (RGB frames there, joints here)",
    ]


def _beside(result: Result) -> dict[str, list[float | None]]:
    """Data set -> the paper's figures in the cells of LA2DS."""
    found: dict[str, list[float | None]] = {}
    for one in figures(result):
        if one.task != "cost":
            found.setdefault(one.data, []).append(one.paper)
    return found


def test_the_papers_figure_stands_in_the_cell_and_a_note_says_what_it_is_of() -> None:
    result = _result(["ikea-asm"], "joints")
    assert _beside(result)["p0"] == [26.43, 32.56, 34.73]
    assert "| **40.00**<br>† 26.43 |" in markdown(result, figures(result))
    notes = [note for note in _notes(result) if note.startswith(MARK)]
    assert notes[0].startswith("† IKEA ASM in the paper: the mean over a network")
    assert "LA2DS (2D heatmaps there, joints here)" in notes[1]


def test_penn_action_is_compared_by_the_mean_over_its_actions() -> None:
    found = _beside(_result(["penn-action"] * 13, "heatmap"))
    assert found[MEAN] == [89.27, 92.30, 92.63]


def test_other_data_have_no_figures_of_the_paper() -> None:
    other = _result([""], "joints")
    assert _beside(other)["p0"] == [None] * 3
    mixed = _result(["penn-action", ""], "joints")
    assert _beside(mixed)[MEAN] == [None] * 3
