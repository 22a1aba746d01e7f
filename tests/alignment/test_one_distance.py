"""The one distance: its parts in units of their spreads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import one_distance
from la2ds_cli.alignment.one_distance import MOVEMENT_SPREAD, OneDistance
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.embedding.trained import RunHeader
from la2ds_cli.features.tempo import paced_movement
from tests.movement import in_space, sequence, warped_phase


def test_one_distance_adds_base_and_movement_to_the_embedding_in_units_of_their_spreads() -> None:
    pose = sequence(warped_phase(30, 1))
    rng = np.random.default_rng(0)
    embedding, base = (rng.normal(size=(30, d)).astype(np.float32) for d in (5, 7))
    joined = OneDistance(2.0, movement=0.5, base=3.0, base_spread=4.0).features(
        pose, embedding, base
    )
    moved = paced_movement(pose) / MOVEMENT_SPREAD
    for a, b in ((0, 7), (3, 29)):
        apart = ((embedding[a] - embedding[b]) ** 2).sum() / 4
        apart += 3 * ((base[a] - base[b]) ** 2).sum() / 16
        apart += 0.5 * ((moved[a] - moved[b]) ** 2).sum()
        assert ((joined[a] - joined[b]) ** 2).sum() == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize(("spread", "weight"), [(0.0, 1.0), (2.0, 0.0)])
def test_an_embedding_of_unknown_spread_or_without_weights_stays_alone(
    spread: float, weight: float
) -> None:
    distance = OneDistance.of(spread, AlignConfig(movement=weight, base=weight), base_spread=3.0)
    embedding = np.ones((30, 5), np.float32)
    assert distance.features(sequence(warped_phase(30, 1)), embedding) is embedding


def test_the_base_model_stands_beside_other_runs_of_bodies(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    settings, pose = AlignConfig(movement=1.0, base=1.0), sequence(warped_phase(30, 1))
    untold = OneDistance.of_run(project, "default", pose, settings)
    assert (untold.base, untold.movement) == (0, 0)  # no weights, whose spread is unknown
    base = OneDistance.of_run(project, BASE_RUN, pose, settings)
    assert (base.base, base.movement) == (0, 1)  # not beside itself
    assert base.spread > 0
    assert OneDistance.of(2.0, settings, base.spread).base == 1
    with pytest.raises(ValueError, match="base model"):
        OneDistance.of(2.0, settings, base.spread).features(pose, np.ones((30, 5), np.float32))


def test_the_base_model_which_reads_the_image_is_left_out_in_3d(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_distance, "run_header", lambda project, run: RunHeader(spread=2.0))
    project = Project.create(tmp_path)
    settings = AlignConfig(movement=1.0, base=1.0)
    pose = in_space(warped_phase(30, 1))
    for spatial, base in ((False, 1.0), (True, 0.0)):
        distance = OneDistance.of_run(project, "run", replace(pose, spatial=spatial), settings)
        assert (distance.base, distance.movement) == (base, 1.0)
