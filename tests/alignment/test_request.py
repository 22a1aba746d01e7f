"""By what clips are compared if nothing is said: the base model wherever it reads the joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice, FeatureKind, choose_features
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.embedding import trained
from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
from la2ds_cli.retrieval.search import Limits
from tests.movement import add_sequence, sequence, warped_phase

PHASES = [warped_phase(40 + 9 * n, seed=n) for n in range(8)]


def filled(root: Path, count: int) -> Project:
    project = Project.create(root)
    for n, phase in enumerate(PHASES[:count]):
        pose = sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=45.0 + 5 * n, tilt=0.03 * n)
        add_sequence(project, f"clip{n}", pose)
    return project


@pytest.mark.parametrize(
    ("skeleton", "spatial", "kind"),
    [("penn13", False, "base"), ("coco17", False, "base"), ("hand21", False, "pose"),
     ("mediapipe33", True, "pose")],
)  # fmt: skip
def test_auto_takes_the_base_model_wherever_it_reads_the_joints(
    tmp_path: Path, skeleton: str, spatial: bool, kind: str
) -> None:
    project = Project.create(tmp_path)
    choice = choose_features(project, "default", "auto").on(skeleton, spatial=spatial)
    assert (choice.kind, choice.run("default")) == (kind, BASE_RUN if kind == "base" else "default")
    assert ("aligned on the base model" in choice.reason) == (kind == "base")
    assert ("aligned on raw poses" in choice.reason) == (kind == "pose")
    asked = choose_features(project, "default", "base")
    assert asked.on(skeleton, spatial=spatial) == FeatureChoice("base", "")


@pytest.mark.parametrize("clips", [2, 8])
def test_all_steps_compare_by_the_base_model(tmp_path: Path, clips: int) -> None:
    project = filled(tmp_path, clips)
    request = AlignRequest(project.config(), device="cpu")
    result = find_alignment(project, "clip0", "clip1", request)
    truth = np.interp(PHASES[0], PHASES[1], np.arange(len(PHASES[1])))
    assert np.nanmean(np.abs(result.alignment.position - truth)) < 0.04 * len(truth)
    document = result.to_json()
    assert (document["features"], document["run"]) == ("base", None)
    assert result.reason == "no trained model: aligned on the base model"
    assert align_all(project, ["clip0", "clip1"], request).features == "base"
    hits = retrieve(project, RetrievalRequest("clip0@1", Limits(2), device="cpu"))
    assert hits.features == "base"


def test_a_run_is_used_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path)
    asked: tuple[tuple[str, FeatureKind], ...] = (("mine", "auto"), ("default", "model"))
    for name, wanted in asked:
        with pytest.raises(UserError, match=f"run '{name}' has no trained model"):
            choose_features(project, name, wanted)
    monkeypatch.setattr(trained, "has_model", lambda project, run: True)
    for name, wanted in asked:
        assert choose_features(project, name, wanted) == FeatureChoice("model", "")
    choice = choose_features(project, "default", "auto")
    assert choice.kind == "base"
    assert choice.reason.startswith("--features model uses run default: aligned on the base model")
