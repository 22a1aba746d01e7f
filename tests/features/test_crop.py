"""The clip box and the way between pixels and cells."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.features.heatmaps import clip_box, to_cells

# A standing person of height 160, feet at y = 200: head, shoulders, hips, feet, hands.
BODY = np.array(
    [[100, 40], [85, 70], [115, 70], [90, 120], [110, 120], [88, 200], [112, 200], [80, 125],
     [120, 125]], dtype=np.float64,
)  # fmt: skip
HANDS = [7, 8]


def standing(frames=60):
    """(T, K, 2): the person swaying by a few pixels."""
    sway = 3 * np.sin(np.arange(frames) / 5)
    return BODY + np.stack([sway, np.zeros(frames)], axis=-1)[:, None]


def test_smallest_box_contains_exactly_all_joints():
    xy = np.array([[[10.0, 20], [40, 80]], [[12, 15], [50, 70]]])
    assert clip_box(xy, "smallest").tolist() == [10, 15, 50, 80]
    xy[0, 0] = np.nan
    assert clip_box(xy, "smallest").tolist() == [12, 15, 50, 80]


@pytest.mark.parametrize("crop", ["smallest", "robust"])
def test_padding_is_a_share_of_the_longer_side(crop):
    xy = np.array([[[10.0, 20], [50, 100]]] * 4)
    assert clip_box(xy, crop, 0.1).tolist() == [2, 12, 58, 108]


@pytest.mark.parametrize("at", [0, 20, 57])
def test_robust_box_ignores_three_frames_on_another_person(at):
    xy = standing()
    clean = clip_box(xy, "smallest")
    xy[at : at + 3] += [400, 60]
    assert clip_box(xy, "smallest")[2] > clean[2] + 350
    np.testing.assert_allclose(clip_box(xy, "robust"), clean, atol=3)


def test_robust_box_ignores_a_single_stray_joint():
    xy = standing()
    clean = clip_box(xy, "smallest")
    xy[30, 7] = [700, 10]
    np.testing.assert_array_equal(clip_box(xy, "robust"), clean)


def test_a_body_length_is_that_of_the_tenth_of_the_frames_that_are_longest():
    """Somebody who crouches for four fifths of the clip: 160 pixels tall, so that a joint 230 away
    from the centre is one of the body, and one 250 away is not."""
    xy = standing()
    xy[12:, :, 1] = 200 - (200 - xy[12:, :, 1]) / 2
    clean = clip_box(xy, "smallest")
    for reach, right in ((230, 330), (250, clean[2])):
        far = xy.copy()
        far[5, HANDS[1]] = [100 + reach, 120]
        assert clip_box(far, "robust")[2] == pytest.approx(right)


def test_robust_box_keeps_arms_raised_for_three_frames():
    xy = standing()
    xy[30:33, HANDS, 1] = -20
    box = clip_box(xy, "robust")
    assert box[1] == -20
    np.testing.assert_array_equal(box, clip_box(xy, "smallest"))


def test_robust_box_follows_a_run_through_the_frame():
    xy = standing() + np.stack([np.arange(60) * 20.0, np.zeros(60)], axis=-1)[:, None]
    np.testing.assert_array_equal(clip_box(xy, "robust"), clip_box(xy, "smallest"))
    gap = xy.copy()
    gap[25:32] = np.nan  # unseen for seven frames, 140 pixels further afterwards
    np.testing.assert_array_equal(clip_box(gap, "robust"), clip_box(gap, "smallest"))


def test_robust_box_keeps_both_views_of_a_clip_with_a_cut():
    xy = standing()
    xy[40:] += [300, 0]
    np.testing.assert_array_equal(clip_box(xy, "robust"), clip_box(xy, "smallest"))


def test_boxes_of_degenerate_clips():
    unseen = np.full((5, 3, 2), np.nan)
    for crop in ("smallest", "robust"):
        assert np.isnan(clip_box(unseen, crop, 0.1)).all()
        assert np.isnan(clip_box(np.empty((0, 3, 2)), crop)).all()
        point = np.full((5, 3, 2), 7.0)
        assert clip_box(point, crop).tolist() == [6.5, 6.5, 7.5, 7.5]
        line = np.array([[[10.0, 0], [10, 100]]])
        assert clip_box(line, crop).tolist() == [7.5, 0, 12.5, 100]
    assert np.isnan(to_cells(point, clip_box(unseen), 30)).all()


@pytest.mark.parametrize("aspect", ["stretch", "keep"])
@pytest.mark.parametrize("size", [30, 7])
def test_pixels_to_cells_and_back(aspect, size):
    xy = np.random.default_rng(0).uniform(-50, 900, (6, 5, 2))
    xy[2, 3] = np.nan
    box = np.array([100, 50, 400, 650.0])
    cells = to_cells(xy, box, size, aspect)
    side = box[2:] - box[:2]
    if aspect == "keep":  # the shorter side is padded equally at both ends
        side = np.full(2, side.max())
    corner = (box[:2] + box[2:] - side) / 2
    np.testing.assert_allclose((cells + 0.5) / size * side + corner, xy, atol=1e-9)
    np.testing.assert_array_equal(np.isnan(cells), np.isnan(xy))
