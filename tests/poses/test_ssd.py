"""Anchors, boxes with points, and the suppression that averages."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.ssd import Detection, anchor_centres, decode, sigmoid, suppress

POSE = (224, (8, 16, 32, 32, 32))
PALM = (192, (8, 16, 16, 16))


@pytest.mark.parametrize(("network", "number"), [(POSE, 2254), (PALM, 2016)])
def test_the_number_of_anchors_is_that_of_the_published_networks(network, number: int) -> None:
    assert anchor_centres(*network).shape == (number, 2)


def test_anchors_lie_in_the_middle_of_their_cells_row_by_row() -> None:
    anchors = anchor_centres(*POSE)
    half = 0.5 / 28
    np.testing.assert_allclose(anchors[:3], [[half, half], [half, half], [3 * half, half]])
    coarse = anchors[-7 * 7 * 6 :]  # three layers of stride 32 share one grid
    np.testing.assert_allclose(coarse[:6], np.full((6, 2), 0.5 / 7))
    np.testing.assert_allclose(coarse[6], [1.5 / 7, 0.5 / 7])
    np.testing.assert_allclose(anchors[-1], [6.5 / 7, 6.5 / 7])


def test_boxes_and_points_are_relative_to_the_anchor() -> None:
    anchors = np.array([[0.25, 0.5], [0.75, 0.5]])
    raw = np.array([[1, 2, 10, 20, -5, 0, 3, 4], [0, 0, 1, 1, 0, 0, 0, 0.0]])
    (found,) = decode(raw, np.array([2.0, -2.0]), anchors, 100, 0.5)
    np.testing.assert_allclose(found.box, [21, 42, 31, 62])
    np.testing.assert_allclose(found.points, [[20, 50], [28, 54]])
    assert found.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_overlapping_detections_are_averaged_by_their_scores() -> None:
    def at(x: float, score: float) -> Detection:
        return Detection(np.array([x, 0, x + 10, 10]), np.array([[x, 5.0]]), score)

    best, other = suppress([at(2, 0.3), at(50, 0.7), at(0, 0.9)])
    assert best.score == 0.9
    np.testing.assert_allclose(best.box, [0.5, 0, 10.5, 10])
    np.testing.assert_allclose(best.points, [[0.5, 5]])
    np.testing.assert_allclose(other.box, [50, 0, 60, 10])
    assert suppress([]) == []


def test_sigmoid() -> None:
    np.testing.assert_allclose(sigmoid(np.array([0.0, np.log(3)])), [0.5, 0.75])
