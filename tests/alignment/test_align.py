"""The align step on synthetic clips whose correspondence is known."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment import project_aligner
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import DOUBTFUL
from la2ds_cli.alignment.stored_embeddings import StoredEmbeddings
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, Unusable, UserError
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.training.train import train
from la2ds_cli.views import alignment_figure as plot
from tests.alignments import align, stand_in_run
from tests.movement import add_sequence, in_skeleton, in_space, sequence, warped_phase, without
from tests.small_runs import TINY
from tests.told import Notes, refused

CONFIG = load_config()
PHASE_A, PHASE_B = warped_phase(41, 0), warped_phase(61, 1)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "anna", sequence(PHASE_A))
    add_sequence(project, "ben", sequence(PHASE_B, fps=25.0, scale=45.0))
    return project


def run(project: StoredProject, a: str = "anna", b: str = "ben", **options: Any) -> Alignment:
    options.setdefault("out", [project.root / "path.csv"])
    return align(project, a, b, config=options.pop("config", CONFIG), **options)


def phase_error(result: Alignment, phase_a: np.ndarray, phase_b: np.ndarray) -> np.ndarray:
    i, j = result.path.T
    return np.abs(phase_a[i] - phase_b[j])


def test_matched_frames_show_the_same_phase(project: StoredProject) -> None:
    result = run(project)
    assert phase_error(result, PHASE_A, PHASE_B).max() < 0.05
    found = result
    assert (found.features, found.method, found.view) == ("base", "dtw", "filmed")
    assert found.path[0].tolist() == [0, 0]
    assert found.path[-1].tolist() == [40, 60]
    np.testing.assert_allclose(found.time_b, np.arange(61) / 25.0)
    assert (found.confidence > 0).all()
    # 2.4 s against 2.0 s.
    assert result.overall_ratio == pytest.approx(1.2, rel=0.03)  # rests are left out


def test_nothing_is_noted_where_the_default_features_are_used(project: StoredProject) -> None:
    progress = Notes()
    result = run(project, progress=progress)
    assert (result.features, result.reason) == ("base", "")
    assert progress.lines == ["embedding anna.mat, ben.mat"]
    asked = run(project, features="pose", progress=progress)
    assert asked.reason == ""
    assert len(progress.lines) == 1


def test_a_model_that_was_asked_for_must_exist(project: StoredProject) -> None:
    for kind, name in (("model", "default"), ("auto", "absent")):
        with refused(ExitCode.UNUSABLE, "no trained model"):
            run(project, features=kind, run=name)


def with_phases_as_embedding(monkeypatch, phases: dict[str, np.ndarray]) -> None:
    stand_in_run(monkeypatch, lambda video, pose: phases[video][:, None])


def test_a_trained_model_is_used_where_there_is_one(project: StoredProject, monkeypatch) -> None:
    with_phases_as_embedding(monkeypatch, {"anna": PHASE_A, "ben": PHASE_B})
    progress = Notes()
    result = run(project, run="tuned", progress=progress)
    assert result.features == "model"
    assert progress.lines == []
    assert phase_error(result, PHASE_A, PHASE_B).max() < 0.03
    assert result.to_json()["run"] == "tuned"


def with_others(project: StoredProject, count: int) -> dict[str, np.ndarray]:
    """More clips of the movement in the project; their phases by name."""
    phases = {f"clip{n}": warped_phase(35 + 7 * n, 10 + n) for n in range(count)}
    for name, phase in phases.items():
        add_sequence(project, name, sequence(phase))
    return phases


def test_reference_clips_are_used(project: StoredProject) -> None:
    with_others(project, 6)
    result = run(project, features="pose")
    assert (result.references, result.to_json()["others"]) == (6, 6)
    truth = np.interp(PHASE_A, PHASE_B, np.arange(len(PHASE_B)))
    error = np.abs(result.position - truth)
    assert (error.mean() < 0.6, error.max() < 2) == (True, True)
    matched = result.position[result.path[:, 0]]
    assert np.abs(matched - result.path[:, 1]).max() <= 2
    assert "through 6 reference clips" in plot.summary(result)
    few = replace(CONFIG, align=replace(CONFIG.align, reference_clips=4))
    assert run(project, config=few).references == 4


def test_clips_that_a_run_cannot_embed_are_no_reference_clips(tmp_path: Path) -> None:
    """`flat` lacks the joints in 3D that the run reads; the pair and the others have them."""
    project = StoredProject.create(tmp_path)
    for n in range(8):
        pose = in_space(warped_phase(30 + 7 * n, n), fps=25.0 if n % 2 else 12.5)
        add_sequence(project, f"clip{n}", pose)
    settings = [*TINY, "model.input=joints3d", "align.joints=2d"]
    config = project.config(overrides=settings)
    train(project, run="mine", config=config)
    options = {"run": "mine", "features": "model", "config": config}
    before = run(project, "clip0", "clip1", **options)
    add_sequence(project, "clip2b", sequence(warped_phase(50, 9), fps=20.0))
    with_flat = run(project, "clip0", "clip1", **options)
    assert before.references == with_flat.references == 6
    np.testing.assert_array_equal(before.position, with_flat.position)
    with pytest.raises(UserError, match="clip2b has no joints in 3D"):
        run(project, "clip0", "clip2b", **options)


def test_a_model_is_doubted_where_the_movement_finds_another_moment(
    project: StoredProject, monkeypatch
) -> None:
    truth = np.interp(PHASE_A, PHASE_B, np.arange(len(PHASE_B)))
    middle = slice(12, 28)
    with_phases_as_embedding(monkeypatch, {"anna": PHASE_A, "ben": PHASE_B})
    right = run(project, run="tuned")
    assert right.confidence[middle].min() > 0.9
    with_phases_as_embedding(monkeypatch, {"anna": PHASE_A, "ben": PHASE_B + 0.2})
    late = run(project, run="tuned")
    assert np.abs(late.position - truth)[middle].min() > 5
    assert late.confidence[middle].max() <= DOUBTFUL
    assert (late.low[middle] < truth[middle] + 1).all()
    assert (late.high[middle] > truth[middle] - 1).all()


def test_no_references_of_test_clips_few_clips_other_methods_and_oneself(
    project: StoredProject,
) -> None:
    with_others(project, 3)
    assert run(project).references == 0
    with_others(project, 4)
    assert run(project).references == 4
    assert run(project, method="linear").references == 0
    assert run(project, "anna", "anna").references == 0
    add_sequence(project, "copied", project.read_pose("anna")[0], split="test")
    copied = run(project, "anna", "copied")  # the same file under another name
    assert copied.references == 0
    np.testing.assert_array_equal(copied.path[:, 0], copied.path[:, 1])
    add_sequence(project, "held-out", sequence(PHASE_B), split="test")
    assert run(project).references == 4


def test_clips_that_cannot_be_compared_are_no_references(project: StoredProject) -> None:
    with_others(project, 4)
    add_sequence(project, "blind", without(sequence(PHASE_B)))
    project.pose_path("clip0").write_bytes(b"damaged")
    notes = Notes()
    assert run(project, progress=notes).references == 0  # three are left
    (damaged,) = (note for note in notes.lines if "clip0" in note)
    assert damaged.startswith("clip0 is left out of the reference clips: ")
    with_others(project, 6)
    assert run(project).references == 6


def test_a_clip_that_cannot_be_embedded_is_no_reference_and_is_named(
    project: StoredProject, monkeypatch
) -> None:
    with_others(project, 6)
    compute = StoredEmbeddings.load

    def load(self: StoredEmbeddings, clips, progress=SILENT) -> dict[str, UserError]:
        failed = {"clip2": Unusable("it is too short")} if "clip2" in clips else {}
        return failed | compute(self, [clip for clip in clips if clip != "clip2"], progress)

    monkeypatch.setattr(StoredEmbeddings, "load", load)
    notes = Notes()
    assert run(project, progress=notes).references == 5
    named = [note for note in notes.lines if "clip2" in note]
    assert named == ["clip2 is left out of the reference clips: it is too short"]


def test_a_clip_without_any_joint_is_refused(project: StoredProject) -> None:
    add_sequence(project, "blind", without(sequence(PHASE_B)))
    with refused(ExitCode.UNUSABLE, "no joint was seen in blind"):
        run(project, "anna", "blind")


def test_open_ends_leave_out_what_b_lacks(project: StoredProject) -> None:
    steady = np.linspace(0, 1, 61)
    add_sequence(project, "whole", sequence(steady))
    add_sequence(project, "cut", sequence(steady[15:50]))
    settings = replace(CONFIG, align=replace(CONFIG.align, open_ends=True, skip_cost=0.2))
    result = run(project, "whole", "cut", config=settings)
    # Not exact: a part of a movement has a smaller range, by which its features are measured.
    first, last = result.path[0][0], result.path[-1][0]
    assert abs(first - 15) <= 5
    assert abs(last - 49) <= 5
    assert (result.confidence[:first] == 0).all()
    unmatched = result.to_json()["a"]["unmatched"]
    assert len(unmatched) == 2
    assert unmatched[0][0] == 0
    assert unmatched[0][1] == pytest.approx((first - 1) / 20, abs=0.06)


def test_skeletons_that_share_nothing_are_refused(project: StoredProject) -> None:
    pose = sequence(PHASE_B)
    other = np.zeros((len(pose), 21, 2))
    add_sequence(
        project, "hand", replace(pose, xy=other, score=np.ones((len(pose), 21)), skeleton="hand21")
    )
    with refused(ExitCode.MISMATCH, "hand21"):
        run(project, "anna", "hand")


@pytest.mark.parametrize(
    ("first", "second", "shared", "count"),
    [
        ("coco17", "mediapipe33", "coco17", 17),
        ("halpe26", "mediapipe33", "coco17", 17),
        ("body25", "halpe26", "body25", 25),
        ("mediapipe33", "penn13", "penn13", 13),
        ("halpe26", "penn13", "penn13", 13),
    ],
)
def test_different_skeletons_align_by_the_joints_that_both_have(
    project: StoredProject, first: str, second: str, shared: str, count: int
) -> None:
    for name, pose, skeleton in (
        ("one", sequence(PHASE_A), first),
        ("other", sequence(PHASE_B, fps=25.0, scale=45.0), second),
    ):
        own = pose if skeleton == "penn13" else in_skeleton(pose, skeleton, far=False)
        add_sequence(project, name, own)
    progress = Notes()
    result = run(project, "one", "other", features="pose", progress=progress)
    assert progress.lines == [
        f"one has the skeleton {first} and other has {second}: aligned by the {count} joints of "
        f"{shared}, which both have"
    ]
    assert {result.pose_a.skeleton, result.pose_b.skeleton} == {shared}
    assert phase_error(result, PHASE_A, PHASE_B).max() < 0.05


def test_wrong_names_are_refused_before_any_work(project: StoredProject, monkeypatch) -> None:
    def must_not_run(*_: object) -> str:
        raise AssertionError("poses were asked for")

    monkeypatch.setattr(project_aligner, "ensure_poses", must_not_run)
    with refused(ExitCode.USAGE, "dwt"):
        run(project, method="dwt")
    with refused(ExitCode.USAGE, r"path\.xlsx"):
        run(project, out=[Path("path.xlsx")])


def test_csv_holds_the_path(project: StoredProject, tmp_path: Path) -> None:
    target = tmp_path / "made" / "path.csv"
    result = run(project, out=[target])
    found = result
    assert result.files == (target,)
    with target.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [[int(r["index_a"]), int(r["index_b"])] for r in rows] == found.path.tolist()
    for row, (i, j), cost in zip(rows, found.path, found.cost, strict=True):
        assert int(row["frame_b"]) == found.frame_b[j]
        assert float(row["time_a"]) == pytest.approx(found.time_a[i], abs=1e-6)
        assert float(row["time_b"]) == pytest.approx(found.time_b[j], abs=1e-6)
        assert float(row["cost"]) == pytest.approx(cost, abs=1e-5)
        assert float(row["confidence"]) == pytest.approx(found.confidence[i], abs=1e-3)
        low, high = (float(row[f"time_b_{side}"]) for side in ("low", "high"))
        rows_b = np.arange(len(found.time_b))
        assert low == pytest.approx(np.interp(found.low[i], rows_b, found.time_b), abs=1e-6)
        assert high == pytest.approx(np.interp(found.high[i], rows_b, found.time_b), abs=1e-6)
        assert low <= high
    assert any(row["time_b_low"] != row["time_b_high"] for row in rows)


def test_json_holds_everything(project: StoredProject, tmp_path: Path) -> None:
    target = tmp_path / "path.json"
    result = run(project, out=[target], method="linear")
    data = json.loads(target.read_text())
    assert data["schema_version"] == 1
    assert data["method"] == "linear"
    assert data["features"] == "base"
    assert data["run"] is None
    assert data["a"]["video"] == "anna"
    assert data["b"]["frames"] == 61
    pairs = list(zip(data["path"]["index_a"], data["path"]["index_b"], strict=True))
    assert pairs == [tuple(pair) for pair in result.path.tolist()]
    assert len(data["frames_a"]["confidence"]) == 41
    assert data["frames_a"]["time_b"][0] == pytest.approx(0, abs=0.05)
    assert data["speed_ratio"] == pytest.approx(1.2, rel=0.03)
