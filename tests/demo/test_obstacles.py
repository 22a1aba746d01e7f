from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.demo.clips import performed
from la2ds_cli.demo.obstacles import KINDS, behind, covered, obstacle


def joints() -> np.ndarray:
    return np.asarray(performed(1, 4, 5)[0].xy, np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_an_obstacle_hides_some_joints_for_some_time(kind: str) -> None:
    xy = joints()
    boxes = obstacle(np.random.default_rng(2), xy, kind)
    assert boxes.shape == (len(xy), 4)
    hidden = behind(xy, boxes)
    assert hidden.any() == (kind != "none")
    assert not hidden.all(axis=1).any()
    if kind in ("still", "follows"):
        there = np.isfinite(boxes).all(axis=1)
        assert 0.2 < there.mean() < 0.65
        assert (np.ptp(boxes[there], axis=0).max() < 1e-6) == (kind == "still")


def test_an_unknown_obstacle() -> None:
    with pytest.raises(ValueError, match="no such obstacle"):
        obstacle(np.random.default_rng(0), joints(), "fog")


def test_what_is_covered_has_one_colour_and_the_rest_stays() -> None:
    boxes = np.array([[np.nan] * 4, [5.0, 6, 15, 26], [-10, -10, 4, 4]])
    images = [np.full((30, 20, 3), 7, np.uint8) for _ in range(3)]
    first, second, third = covered(iter(images), boxes, np.random.default_rng(3))
    assert (first == 7).all()
    assert np.ptp(second[6:26, 5:15].mean(axis=(0, 1)) - second[10, 10]) < 60
    assert (second[:, :5] == 7).all()
    assert (second[:6] == 7).all()
    assert not (third[:4, :4] == 7).all()
    assert (third[5:, 5:] == 7).all()
