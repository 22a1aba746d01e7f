"""scripts/base_movements.py and train_base.py: what the base model learns from, end to end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core import artifact
from scripts import base_movements
from scripts.base_movements import FPS, Movement, perform, performances

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_base.py"


def test_movements_are_a_function_of_seed_and_number() -> None:
    one, again, other = performances(1, 2), performances(1, 2), performances(1, 3)
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a.pose.xy, b.pose.xy)
        np.testing.assert_array_equal(a.moment, b.moment)
    assert one[0].pose.xy.shape != other[0].pose.xy.shape


@pytest.mark.parametrize("number", range(20))
def test_performances_are_clips_with_moments(number: int) -> None:
    first, second = performances(5, number)
    for one in (first, second):
        assert len(one.moment) == len(one.pose)
        assert (np.diff(one.moment) > 0).all()
        assert 1.0 <= len(one.pose) / FPS <= 15.0
        unseen = np.isnan(one.pose.xy).any(axis=-1)
        assert (one.pose.score[unseen] == 0).all()
        assert unseen.mean() < 0.5
    # Both show the entire movement.
    assert abs(first.moment[-1] - second.moment[-1]) < 0.5
    assert not np.array_equal(first.pose.xy[:20], second.pose.xy[:20])


def test_equal_moments_of_two_performers_show_the_same_pose(monkeypatch) -> None:
    """Without errors of estimators, and both with one body, style and camera, but two tempos."""
    monkeypatch.setattr(base_movements, "_estimated", lambda xy, rng: (xy, np.ones(xy.shape[:2])))
    monkeypatch.setattr(base_movements, "_own_style", lambda keys, rng: keys)
    monkeypatch.setattr(base_movements, "_slow_noise", lambda shape, rng: np.zeros(shape))
    body = base_movements.random_body(np.random.default_rng(0))
    monkeypatch.setattr(base_movements, "random_body", lambda rng: body)
    monkeypatch.setattr(
        base_movements,
        "_filmed",
        lambda world, movement, rng: 100 * world[:, base_movements._JOINTS][..., [0, 2]],
    )
    rng = np.random.default_rng(4)
    movement: Movement = base_movements.random_movement(rng)

    class Early:  # all joints in time
        def __init__(self, seed: int) -> None:
            self.own = np.random.default_rng(seed)

        def normal(self, mean: float, std: float, size: Any = None) -> Any:
            return np.zeros(size) if std == 0.06 else self.own.normal(mean, std, size)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.own, name)

    generators: list[Any] = [Early(1), Early(2)]
    a, b = (perform(movement, rng) for rng in generators)
    assert len(a.pose) != len(b.pose)
    flat = b.pose.xy.reshape(len(b.pose), -1)
    there = np.stack([np.interp(a.moment, b.moment, column) for column in flat.T], axis=1)
    assert np.abs(there - a.pose.xy.reshape(len(a.pose), -1)).max() < 8  # of some 170 pixels


def test_the_script_writes_weights_that_say_what_they_are(tmp_path: Path) -> None:
    out = tmp_path / "base.safetensors"
    command = [sys.executable, str(SCRIPT), "--out", str(out), "--steps", "2", "--movements", "2"]
    command += ["--set", "model.width=24", "--set", "train.batch_size=2", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 clips, 2 steps" in done.stdout
    arrays, recipe, facts = artifact.read_arrays(out)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
    assert facts["data"] == "2 random movements, each by 2 rendered performers"
    assert (facts["seed"], facts["skeleton"], facts["step"]) == (7, "penn13", 2)
    assert recipe.config["model.width"] == 24
