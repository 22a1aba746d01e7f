"""scripts/base_movements.py and train_base.py: what the base model learns from, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core import artifact
from scripts.base_movements import FPS, performances
from tests.processes import run_python

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


def test_the_script_writes_weights_that_say_what_they_are(tmp_path: Path) -> None:
    out = tmp_path / "base.safetensors"
    command = [str(SCRIPT), "--out", str(out), "--steps", "2", "--movements", "2", "--seed", "7"]
    done = run_python(*command, "--set", "model.width=24", "--set", "train.batch_size=2")
    assert "4 clips, 2 steps" in done.stdout
    arrays, recipe, facts = artifact.read_arrays(out)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
    assert facts["data"] == "2 random movements, each by 2 rendered performers"
    assert (facts["seed"], facts["skeleton"], facts["step"]) == (7, "penn13", 2)
    assert recipe.config["model.width"] == 24
