"""The verdict on a run, and what `auto` takes: a run that is better, or else the base model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import request as choices
from la2ds_cli.alignment import run_verdict as module
from la2ds_cli.alignment.clip_features import ClipFeatures
from la2ds_cli.alignment.request import FeatureChoice, choose_features
from la2ds_cli.alignment.run_verdict import (
    FEWEST_HELD_OUT,
    Gain,
    Verdict,
    judge_run,
    measure_gain,
    read_verdict,
)
from la2ds_cli.core.artifact import write_json
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import movement, time_only
from la2ds_cli.network.run_weights import RunHeader, run_header
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase

OPEN = AlignConfig(method="dtw", open_ends=True)
PHASES = [warped_phase(40 + 9 * n, seed=n) for n in range(8)]
POSES = [
    sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=45.0 + 5 * n, tilt=0.03 * n)
    for n, phase in enumerate(PHASES)
]


def noise(pose: PoseSequence) -> FloatArray:
    return np.random.default_rng(len(pose)).normal(size=(len(pose), 8))


def blurred(share: float, seed: int = 0):
    """The movement with noise of its own in every clip and part of a clip."""

    def feature(pose: PoseSequence) -> FloatArray:
        drawn = np.random.default_rng([seed, len(pose)])
        return movement(pose) + share * drawn.normal(size=(len(pose), 104))

    return feature


def of_poses(feature: Callable[[PoseSequence], FloatArray]) -> ClipFeatures:
    return ClipFeatures(lambda clip, features: feature(clip.seen()))


def gain(run, base) -> Gain:
    compared, referee = (of_poses(run), of_poses(base)), [of_poses(movement)]
    found = measure_gain(POSES[:6], POSES[6:], compared, referee, OPEN)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("run", "base", "outcome"),
    [
        (blurred(0.5), blurred(3.0), "better"),
        (blurred(3.0), blurred(0.5), "worse"),
        (blurred(1.0), blurred(1.0, seed=1), "not shown"),
        (movement, movement, "not shown"),
        (time_only, movement, "worse"),
        (blurred(30.0), movement, "worse"),
    ],
    ids=["less noise", "more noise", "as much noise", "the same", "a clock", "noise"],
)
def test_the_gain_is_shown_where_the_errors_are_smaller(run, base, outcome: str) -> None:
    found = gain(run, base)
    assert found.outcome == outcome
    assert found.low <= found.percent <= found.high
    assert gain(run, base) == found  # nothing is left to chance


@pytest.mark.parametrize(
    ("verdict", "outcome", "rest"),
    [
        (Verdict(13, Gain(12.4, 3.6, 19.2)), "better", "than the base model by 12 % (4 to 19 %)"),
        (Verdict(13, Gain(3.0, -5.0, 9.0)), "not shown",
         "to help (gain over the base model 3 %, 95 % interval -5 to 9 %)"),
        (Verdict(13, Gain(-30.0, -51.0, -8.0)), "worse", "than the base model by 30 % (8 to 51 %)"),
        (Verdict(2, why_not="2 clips were held out"), "not shown",
         "to help: 2 clips were held out"),
    ],
)  # fmt: skip
def test_three_outcomes_have_their_words(verdict: Verdict, outcome: str, rest: str) -> None:
    words = f"{outcome} {rest}"
    assert (verdict.outcome, verdict.words) == (outcome, words)
    assert verdict.sentence("mine").startswith(f"run mine is {words}")
    told = verdict.to_json("mine")
    assert (told["outcome"], told["text"]) == (outcome, verdict.sentence("mine"))


def filled(root: Path, clips: int = 8) -> StoredProject:
    project = StoredProject.create(root)
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
    project = StoredProject.create(tmp_path)
    choice = choose_features(project, "default", "auto").on(skeleton, spatial=spatial)
    assert (choice.kind, choice.run("default")) == (kind, BASE_RUN if kind == "base" else "default")
    assert choice.reason.startswith("aligned on raw poses" if kind == "pose" else "")
    assert (choice.reason == "") == (kind == "base")
    asked = choose_features(project, "default", "base")
    assert asked.on(skeleton, spatial=spatial) == FeatureChoice("base", requested=True)


# --- a run of a project ---------------------------------------------------------------------------

TINY = (
    *("model.input=joints", "model.width=16", "model.heads=2", "model.temporal_layers=1"),
    *("train.steps=4", "train.batch_size=2", "train.validation_share=0.75"),
)


def test_a_run_of_four_steps_is_never_better(tmp_path: Path) -> None:
    project = filled(tmp_path)
    train(
        project, run="default", config=project.config(overrides=TINY), options=TrainOptions("cpu")
    )
    found = judge_run(project, "default", "cpu")
    assert found.clips == FEWEST_HELD_OUT
    assert found.gain is not None
    assert found.outcome != "better"
    assert choose_features(project, "default", "auto").kind == "base"
    assert choose_features(project, "default", "model").kind == "model"


@pytest.mark.usefixtures("few_pairs")
def test_the_verdict_is_kept_beside_the_weights(tmp_path: Path) -> None:
    project = filled(tmp_path)
    assert read_verdict(project, "mine") is None
    train(project, run="mine", config=project.config(overrides=TINY))
    assert read_verdict(project, "mine") is None
    found = judge_run(project, "mine", "cpu")
    assert read_verdict(project, "mine") == found
    for setting, value, kept in (("reference_clips", 3, found), ("base", 0.5, None)):
        changed = StoredProject(project.root, project.settings | {"align": {setting: value}})
        assert read_verdict(changed, "mine") == kept  # measured with other settings
    other = project.config(overrides=[*TINY, "train.seed=1"])
    train(project, run="mine", config=other, options=TrainOptions(overwrite=True))
    assert read_verdict(project, "mine") is None  # of weights that are gone
    assert judge_run(project, "mine", "cpu") != found
    path = project.run_dir("mine") / module.VERDICT
    for text in (path.read_text().replace("align", "old"), "{"):
        path.write_text(text)
        assert read_verdict(project, "mine") is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (["train.validation_share=0.25"], "2 clips were held out of training, 6 are needed"),
        (["train.validation_share=0"], "no clips were held out of training, 6 are needed"),
    ],
)
def test_a_run_that_held_out_few_clips_is_not_shown_to_help(
    tmp_path: Path, settings: list[str], why: str
) -> None:
    project = filled(tmp_path)
    train(project, run="mine", config=project.config(overrides=[*TINY, *settings]))
    found = judge_run(project, "mine", "cpu")
    assert (found.gain, found.why_not, found.outcome) == (None, why, "not shown")
    assert read_verdict(project, "mine") == found


@pytest.fixture
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the outcome does not matter, a few pairs do."""
    monkeypatch.setattr(module, "PAIRS", 8)


def regroup(project: StoredProject, names: Sequence[str], **row: Sequence[str]) -> None:
    """Change columns of the rows of these clips in videos.csv."""
    listed = {video.id: video for video in project.videos()}
    for n, name in enumerate(names):
        values = {column: cells[n] for column, cells in row.items()}
        project.add_videos([replace(listed[name], **values)])


@pytest.mark.usefixtures("few_pairs")
def test_clips_of_films_that_a_run_was_trained_on_are_not_counted(tmp_path: Path) -> None:
    """They turn out to be copies after the training, when both are in the project again."""
    project = filled(tmp_path)
    train(project, run="mine", config=project.config(overrides=TINY))
    assert judge_run(project, "mine", "cpu").clips == 6
    header = run_header(project, "mine")
    assert header.held_out is not None
    (first, *_), copies = header.trained, list(header.held_out[:2])
    digest = project.clip(first).sha256
    regroup(project, copies, sha256=[digest, digest])
    assert read_verdict(project, "mine") is None
    found = judge_run(project, "mine", "cpu")
    assert (found.clips, found.gain) == (4, None)
    assert found.why_not == (
        "4 clips were held out of training beside 2 of films that it was trained on, 6 are needed"
    )


@pytest.mark.usefixtures("few_pairs")
def test_clips_of_one_film_count_as_one(tmp_path: Path) -> None:
    project = filled(tmp_path)
    train(project, run="mine", config=project.config(overrides=TINY))
    held = list(run_header(project, "mine").held_out or ())
    regroup(project, held[:2], path=["film.mat"] * 2)
    found = judge_run(project, "mine", "cpu")
    assert (found.clips, found.gain) == (6, None)
    assert found.why_not == "6 clips were held out of training, of 5 films; 6 are needed"


@pytest.mark.usefixtures("few_pairs")
def test_a_verdict_says_that_its_performers_are_known(tmp_path: Path) -> None:
    project = filled(tmp_path)
    train(project, run="mine", config=project.config(overrides=TINY))
    assert not judge_run(project, "mine", "cpu").known_performers
    names = [video.id for video in project.videos()]
    regroup(project, names, group=["anna"] * len(names))
    assert read_verdict(project, "mine") is None
    found = judge_run(project, "mine", "cpu")
    assert found.known_performers
    assert found.sentence("mine").endswith("held out of training, of performers it was trained on")
    assert read_verdict(project, "mine") == found


def test_clips_of_one_film_are_neither_a_pair_nor_a_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two of three films have two clips each."""
    films, real = [7, 7, 3, 3, 5], module.align
    number = {len(pose): film for pose, film in zip(POSES, films, strict=False)}

    def checked(a, b, rest, *settings):
        if len(rest):  # of the whole clips
            shown = [number[len(a)], number[len(b)]]
            assert shown[0] != shown[1]
            assert not {number[len(pose)] for pose in rest} & set(shown)
        return real(a, b, rest, *settings)

    monkeypatch.setattr(module, "align", checked)
    monkeypatch.setattr(module, "PAIRS", 20)
    compared = of_poses(blurred(0.5)), of_poses(blurred(3.0))
    found = measure_gain(POSES[:5], [], compared, [of_poses(movement)], OPEN, films)
    assert found is not None
    assert measure_gain(POSES[:2], [], compared, [of_poses(movement)], OPEN, [1, 1]) is None


def test_more_clips_of_the_same_films_do_not_narrow_the_interval() -> None:
    """Three films, of which each pair was measured once, or four times by other clips of theirs."""
    pairs = np.array([(a, b) for a in range(3) for b in range(3) if a != b])
    errors = np.random.default_rng(1).uniform(1, 9, (6, 2))
    once = module._gain(pairs, errors, 3, np.random.default_rng(0))
    often = np.repeat(pairs, 4, axis=0), np.repeat(errors, 4, axis=0)
    assert module._gain(*often, 3, np.random.default_rng(0)) == pytest.approx(once)


@pytest.mark.usefixtures("few_pairs")
@pytest.mark.parametrize("part", ["base", "code", "compared", "version"])
def test_a_verdict_of_other_weights_code_or_clips_is_none(tmp_path: Path, part: str) -> None:
    project = filled(tmp_path)
    train(project, run="mine", config=project.config(overrides=TINY))
    found = judge_run(project, "mine", "cpu")
    path = project.run_dir("mine") / module.VERDICT
    stored = json.loads(path.read_text())
    assert read_verdict(project, "mine") == found
    write_json(path, {**stored, part: "another"})
    assert read_verdict(project, "mine") is None


@pytest.mark.usefixtures("few_pairs")
def test_settings_that_a_verdict_does_not_name_have_no_effect_on_it(tmp_path: Path) -> None:
    project = filled(tmp_path)
    train(project, run="mine", config=project.config(overrides=TINY))
    found = judge_run(project, "mine", "cpu")
    unnamed = {one.name for one in fields(AlignConfig)} - set(module.ALIGN)
    assert {"method", "reference_clips", "joints"} <= unnamed
    other = {"reference_clips": 2, "joints": "2d", "method": "linear"}
    changed = StoredProject(project.root, project.settings | {"align": other})
    assert judge_run(changed, "mine", "cpu") == found


@pytest.mark.parametrize(
    ("verdict", "kind", "said"),
    [
        (Verdict(13, Gain(12.0, 4.0, 19.0)), "model", ""),
        (Verdict(13, Gain(3.0, -5.0, 9.0)), "base", "run default is not shown to help"),
        (Verdict(13, Gain(-3.0, -5.0, -1.0)), "base", "run default is worse than the base model"),
        (None, "base", "run default was not compared with the base model"),
    ],
)
def test_auto_takes_a_run_only_if_it_is_better_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: Verdict | None, kind: str, said: str
) -> None:
    project = StoredProject.create(tmp_path)
    monkeypatch.setattr(choices, "has_model", lambda project, run: True)
    monkeypatch.setattr(choices, "read_verdict", lambda project, run: verdict)
    choice = choose_features(project, "default", "auto")
    assert choice.kind == kind
    assert choice.reason.startswith(said)
    assert ("aligned on the base model" in choice.reason) == (kind == "base")
    header = RunHeader(skeleton="mediapipe33")
    monkeypatch.setattr(choices, "run_header", lambda project, run: header)
    other = choose_features(project, "default", "auto").on("penn13", spatial=False)
    assert (other.kind, other.reason != "") == ("base", True)
    assert choose_features(project, "default", "auto").on("mediapipe33", spatial=False) == (
        replace(choice, reads="mediapipe33") if kind == "model" else choice
    )
    assert choose_features(project, "default", "model") == FeatureChoice("model", "")
    assert choose_features(project, "mine", "auto") == FeatureChoice("model", "")
