from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.demo.clips import performed
from la2ds_cli.demo.pose_errors import KINDS, errors_of, with_error

SKELETON = get_skeleton("coco17")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_in_one_limb_for_a_while(kind: str) -> None:
    truth, _ = performed(2, 6, 9)
    pose = with_error(truth, kind, np.random.default_rng(4))
    wrong = errors_of(pose, truth) > 0.25
    assert wrong.any()
    assert wrong.any(axis=1).mean() < 0.55
    touched = {SKELETON.joints[k].split("_")[1] for k in np.flatnonzero(wrong.any(axis=0))}
    assert touched <= {"elbow", "wrist"} or touched <= {"knee", "ankle"}
    sides = {SKELETON.joints[k].split("_")[0] for k in np.flatnonzero(wrong.any(axis=0))}
    assert len(sides) == (2 if kind == "exchanged" else 1)


def test_exchanged_joints_are_those_of_the_other_side() -> None:
    truth, _ = performed(2, 6, 9)
    pose = with_error(truth, "exchanged", np.random.default_rng(4))
    error = errors_of(pose, truth)
    t, k = np.unravel_index(int(np.argmax(error)), error.shape)
    other = SKELETON.flip[int(k)]
    assert np.linalg.norm(pose.xy[t, k] - truth.xy[t, other]) < 0.1 * error[t, k] * 60


def test_only_guesses_have_low_scores() -> None:
    truth, _ = performed(2, 6, 9)
    least = {k: with_error(truth, k, np.random.default_rng(4)).score.min() for k in KINDS}
    assert least.pop("guessed") < 0.75
    assert min(least.values()) > 0.75


def test_an_unknown_error() -> None:
    with pytest.raises(ValueError, match="no such error"):
        with_error(performed(0, 4, 1)[0], "fog", np.random.default_rng(0))
