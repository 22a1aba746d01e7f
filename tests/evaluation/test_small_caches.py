"""Caches with room for few values change no byte of what commands write."""

from __future__ import annotations

import pytest

from la2ds_cli.alignment import project_aligner, run_verdict, stored_embeddings
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.run_verdict import judge_run
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.core import memo
from la2ds_cli.core.artifact import json_text
from la2ds_cli.core.config import load_config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import JOINTS

CLIPS = 24
SETTINGS = [*JOINTS, "train.steps=2", "align.reference_clips=4"]
SETTINGS += ["evaluate.pairs=4", "evaluate.trim_draws=1"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """Clips of unequal lengths and rates, with events, and a trained run."""
    project = StoredProject.create(tmp_path_factory.mktemp("caches") / "project")
    rows = ["video,start,end,phase"]
    for n in range(CLIPS):
        length = 24 + 2 * n
        pose = sequence(warped_phase(length, n), fps=(12.5, 25.0, 30.0)[n % 3], scale=40 + n)
        add_sequence(project, f"clip{n}", pose, "test" if n % 2 else "train")
        rows += [f"clip{n},0,{length // 2},down", f"clip{n},{length // 2},{length},up"]
    project.phases_path.write_text("\n".join(rows) + "\n")
    config = load_config(overrides=SETTINGS)
    train(project, config=config, options=TrainOptions("cpu"))
    return project


def everything(project: StoredProject) -> dict[str, str]:
    """What the verdict, `evaluate` and `timeline` say."""
    config = load_config(overrides=SETTINGS)
    evaluated = score_request(Request(project, config, ("default",), features=("model",)))
    names = [video.id for video in project.videos()]
    placed = align_all(project, names, AlignRequest(config, "default", "model"))
    verdict = judge_run(project, "default")
    assert verdict.gain is not None
    return {
        "verdict": json_text(verdict.to_json("default")),
        "evaluate": json_text(evaluated.document),
        "timeline": json_text(placed.to_json()),
    }


@pytest.mark.parametrize("room", [1, 20])
def test_the_size_of_a_cache_changes_nothing(
    project: StoredProject, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_verdict, "FEWEST_HELD_OUT", 2)
    monkeypatch.setattr(run_verdict, "PAIRS", 4)
    expected = everything(project)
    monkeypatch.setattr(memo, "MOST_KEPT", room)
    monkeypatch.setattr(stored_embeddings, "MOST_KEPT", room)
    monkeypatch.setattr(project_aligner, "MOST_POSES", room)
    assert everything(project) == expected
