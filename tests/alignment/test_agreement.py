"""The label-free check: it orders features as their true errors do, and decides what auto means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import agreement as module
from la2ds_cli.alignment.agreement import (
    FEWEST_CLIPS,
    RunCheck,
    agreement,
    check_run,
    read_run_check,
)
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice, choose_features
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding import trained
from la2ds_cli.features.pose_features import movement, time_only
from la2ds_cli.retrieval.retrieve import retrieve
from la2ds_cli.training.train import train
from tests.movement import add_sequence, sequence, warped_phase

OPEN = AlignConfig(method="dtw", open_ends=True)
PHASES = [warped_phase(40 + 9 * n, seed=n) for n in range(8)]
POSES = [
    sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=45.0 + 5 * n, tilt=0.03 * n)
    for n, phase in enumerate(PHASES)
]


def noise(pose: PoseSequence) -> FloatArray:
    return np.random.default_rng(len(pose)).normal(size=(len(pose), 8))


def test_a_good_feature_agrees_and_a_clock_and_noise_do_not() -> None:
    good, clock, random = (agreement(POSES, f, OPEN) for f in (movement, time_only, noise))
    assert good < 2.5
    assert clock > 2 * good
    assert random > 2 * good


def test_less_agreement_goes_with_larger_errors() -> None:
    """Movement blurred with more and more noise; the errors are known by the phases."""

    def blurred(share: float):
        return lambda pose: (
            movement(pose) + share * np.random.default_rng(len(pose)).normal(size=(len(pose), 104))
        )

    def true_error(feature) -> float:
        errors = []
        for a in range(len(POSES) - 1):
            path = align_features("dtw", feature(POSES[a]), feature(POSES[a + 1]), OPEN)
            position = smooth_match(path, len(POSES[a]))
            truth = np.interp(PHASES[a], PHASES[a + 1], np.arange(len(PHASES[a + 1])))
            errors.append(np.nanmean(np.abs(position - truth)) / len(truth))
        return float(np.mean(errors))

    shares = (0.0, 1.0, 4.0)
    assert np.all(np.diff([true_error(blurred(share)) for share in shares]) > 0)
    assert np.all(np.diff([agreement(POSES, blurred(share), OPEN) for share in shares]) > 0)


def test_the_same_clips_and_seed_give_the_same_figure() -> None:
    assert agreement(POSES, movement, OPEN, 1) == agreement(POSES, movement, OPEN, 1)
    assert agreement(POSES, movement, OPEN, 1) != agreement(POSES, movement, OPEN, 2)


def filled(root: Path, clips: int) -> Project:
    project = Project.create(root)
    for n in range(clips):
        add_sequence(project, f"clip{n}", POSES[n])
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


@pytest.mark.parametrize("clips", [2, FEWEST_CLIPS])
def test_two_clips_are_aligned_on_the_base_model_as_many_are(tmp_path: Path, clips: int) -> None:
    project = filled(tmp_path, clips)
    request = AlignRequest(project.config(), device="cpu")
    result = find_alignment(project, "clip0", "clip1", request)
    assert result.alignment.features == "base"
    assert result.reason == "no trained model: aligned on the base model"
    assert align_all(project, ["clip0", "clip1"], request).features == "base"
    assert retrieve(project, query="clip0@1", device="cpu", k=2).features == "base"


def test_a_run_that_was_named_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run 'mine' has no trained model"):
        choose_features(filled(tmp_path, FEWEST_CLIPS), "mine", "auto")


def test_the_base_model_aligns_and_retrieves_where_it_is_asked_for(tmp_path: Path) -> None:
    project = filled(tmp_path, 3)
    choice = choose_features(project, "default", "base")
    assert choice == FeatureChoice("base", "")
    assert (choice.run("default"), FeatureChoice("pose", "").run("x")) == (BASE_RUN, "x")
    request = AlignRequest(project.config(), features="base", device="cpu")
    result = find_alignment(project, "clip0", "clip1", request, Progress())
    truth = np.interp(PHASES[0], PHASES[1], np.arange(len(PHASES[1])))
    assert np.nanmean(np.abs(result.alignment.position - truth)) < 0.04 * len(truth)
    document = result.to_json()
    assert (document["features"], document["run"]) == ("base", None)
    hits = retrieve(project, features="base", query="clip0@1", device="cpu", k=2)
    assert (hits.features, len(hits.queries[0].hits)) == ("base", 2)


# --- the verdict on a run -------------------------------------------------------------------------

TINY = (
    *("model.input=joints", "model.width=16", "model.heads=2", "model.temporal_layers=1"),
    *("train.steps=2", "train.batch_size=2"),
)


@pytest.mark.parametrize(
    ("run", "base", "pose", "best"),
    [
        (1.6, 1.7, 2.0, "model"),
        (1.61, 1.7, 2.0, "pose"),  # not clearly better than the movement, nor is the base model
        (1.5, 1.4, 2.0, "base"),
        (1.4, 1.4, 2.0, "model"),
        (9.0, 1.6, 2.0, "base"),
    ],
)
def test_a_run_has_to_be_as_good_as_the_base_model_and_clearly_better_than_movement(
    run: float, base: float, pose: float, best: str
) -> None:
    check = RunCheck(run, base, pose, 9)
    assert check.best == best
    text = check.verdict("mine")
    assert text.startswith("run mine is worth using" if best == "model" else "run mine is weak")
    assert (f"--features {best}" in text) == (best != "model")
    assert ("20 % lower than raw movement" in text) == (best == "pose")
    for figure in (run, base, pose):
        assert f"{figure:.1f} %" in text


def test_the_check_of_a_run_is_kept_beside_its_weights(tmp_path: Path) -> None:
    project = filled(tmp_path, FEWEST_CLIPS)
    config = project.config(overrides=TINY)
    assert read_run_check(project, "mine") is None
    train(project, run="mine", config=config)
    assert read_run_check(project, "mine") is None
    found = check_run(project, "mine", "cpu")
    assert found is not None
    assert found.clips == FEWEST_CLIPS
    assert min(found.run, found.base, found.pose) > 0
    assert max(found.run, found.base, found.pose) < 50
    assert read_run_check(project, "mine") == found

    train(
        project,
        run="mine",
        config=project.config(overrides=[*TINY, "train.seed=1"]),
        overwrite=True,
    )
    assert read_run_check(project, "mine") is None  # of weights that are gone
    assert check_run(project, "mine", "cpu") != found
    (project.run_dir("mine") / "agreement.json").write_text("{")
    assert read_run_check(project, "mine") is None


def test_a_model_of_noise_is_no_better_than_movement(tmp_path: Path, monkeypatch) -> None:
    project = filled(tmp_path, FEWEST_CLIPS)
    train(project, run="mine", config=project.config(overrides=TINY))
    monkeypatch.setattr(
        module.OneDistance, "features", lambda self, pose, embedding, base=None: noise(pose)
    )
    found = check_run(project, "mine", "cpu")
    assert found is not None
    assert found.run > 2 * found.pose
    assert found.best != "model"


def test_a_run_is_not_judged_by_too_few_clips(tmp_path: Path) -> None:
    project = filled(tmp_path, FEWEST_CLIPS - 1)
    train(project, run="mine", config=project.config(overrides=TINY))
    assert check_run(project, "mine", "cpu") is None


def test_a_weak_default_run_is_used_only_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path)
    checks = {"default": RunCheck(3.0, 4.0, 3.1, 9), "mine": RunCheck(3.0, 4.0, 3.1, 9)}
    monkeypatch.setattr(trained, "has_model", lambda project, run: True)
    monkeypatch.setattr(module, "read_run_check", lambda project, run: checks.get(run))
    choice = choose_features(project, "default", "auto")
    assert choice.kind == "pose"
    assert "run default is weak on these clips" in choice.reason
    assert "--features model" in choice.reason
    assert choose_features(project, "default", "model").kind == "model"
    assert choose_features(project, "mine", "auto").kind == "model"
    checks["default"] = RunCheck(2.0, 3.0, 4.0, 9)
    assert choose_features(project, "default", "auto") == FeatureChoice("model", "")
    del checks["default"]  # never checked
    assert choose_features(project, "default", "auto") == FeatureChoice("model", "")
