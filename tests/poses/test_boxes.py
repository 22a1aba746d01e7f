from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses import boxes


def test_iou_known_answers() -> None:
    a = np.array([0, 0, 10, 10.0])
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [2, 2, 4, 4.0]])
    np.testing.assert_allclose(boxes.iou(a, b), [1, 50 / 150, 0, 4 / 100])
    np.testing.assert_allclose(boxes.pairwise_iou(a[None], b)[0], boxes.iou(a, b))


def test_empty_boxes_have_no_area_and_no_overlap() -> None:
    inside_out = np.array([10, 10, 5, 5.0])
    assert boxes.area(inside_out) == 0
    assert boxes.iou(inside_out, inside_out) == 0


def test_around_joints_adds_the_margin_and_leaves_out_weak_joints() -> None:
    xy = np.array([[[10, 10], [30, 10], [20, 50], [400, 400]]], float)
    score = np.array([[0.9, 0.9, 0.9, 0.1]])
    np.testing.assert_allclose(boxes.around_joints(xy, score, 0.3, margin=0.1), [[6, 6, 34, 54]])
    assert np.isnan(boxes.around_joints(xy, score * 0.1, 0.3)).all()


def test_union_ignores_a_missing_box() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 10.0]])
    b = np.array([[5, -5, 8, 20], [np.nan] * 4])
    np.testing.assert_array_equal(boxes.union(a, b), [[0, -5, 10, 20], [0, 0, 10, 10]])


def test_steady_drops_a_single_half_body() -> None:
    track = np.tile([10, 20, 30, 80.0], (21, 1))
    track[10] = [10, 20, 30, 50]
    np.testing.assert_allclose(boxes.steady(track, 9), np.tile([10, 20, 30, 80.0], (21, 1)))


def test_steady_follows_someone_who_runs_by() -> None:
    shift = 8.0 * np.arange(40)
    track = np.stack([shift, np.zeros(40), shift + 40, np.full(40, 100.0)], axis=1)
    np.testing.assert_allclose(boxes.steady(track, 9)[10:-10], track[10:-10])


def test_steady_keeps_room_for_a_raised_arm() -> None:
    track = np.tile([0, 50, 40, 150.0], (60, 1))
    track[20:40, 1] = 0  # the arm goes up, and down again
    height = boxes.steady(track, 9)[:, 3] - boxes.steady(track, 9)[:, 1]
    assert height[17] > 120  # before it is up
    assert np.abs(np.diff(height)).max() < 10
    assert height[0] == pytest.approx(100)
    assert height[30] == pytest.approx(150)
