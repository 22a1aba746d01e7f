from __future__ import annotations

import cv2
import numpy as np
import pytest

from la2ds_cli.poses.decode import PADDING, crop_matrix, decode_heatmaps, to_image, unflip
from la2ds_cli.skeleton import get_skeleton


def test_the_centre_of_the_box_falls_on_the_middle_of_the_input() -> None:
    matrix = crop_matrix(np.array([100, 200, 300, 600.0]), (256, 192))
    np.testing.assert_allclose(matrix @ [200, 400, 1], [96, 128])


def test_a_tall_box_fills_the_height_less_the_padding() -> None:
    matrix = crop_matrix(np.array([100, 200, 200, 600.0]), (256, 192))
    top, bottom = matrix @ [150, 200, 1], matrix @ [150, 600, 1]
    assert bottom[1] - top[1] == pytest.approx(256 / PADDING)


def test_a_wide_box_fills_the_width_less_the_padding() -> None:
    matrix = crop_matrix(np.array([0, 100, 400, 200.0]), (256, 192))
    left, right = matrix @ [0, 150, 1], matrix @ [400, 150, 1]
    assert right[0] - left[0] == pytest.approx(192 / PADDING)


def test_to_image_is_the_inverse() -> None:
    rng = np.random.default_rng(0)
    box = np.array([[10, 20, 110, 320.0], [200, 50, 500, 150.0]])
    matrix = np.stack([crop_matrix(b, (256, 192)) for b in box])
    xy = rng.uniform(0, 500, (2, 17, 2))
    forward = np.einsum("nij,nkj->nki", matrix[:, :, :2], xy) + matrix[:, None, :, 2]
    np.testing.assert_allclose(to_image(forward, matrix), xy, atol=1e-9)


def test_a_crop_and_back_finds_the_pixel_again() -> None:
    """A dot of the image is where cv2 puts it in the crop, and comes back to its own pixel."""
    image = np.zeros((480, 640, 3), np.uint8)
    dot = np.array([300, 250])
    cv2.circle(image, (300, 250), 6, (255, 255, 255), -1)
    matrix = crop_matrix(np.array([200, 100, 380, 400.0]), (256, 192))
    crop = cv2.warpAffine(image, matrix, (192, 256)).astype(float).sum(axis=2)
    y, x = np.mgrid[:256, :192]
    found = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
    back = to_image(found[None, None], matrix[None])[0, 0]
    np.testing.assert_allclose(back, dot, atol=0.3)


def heatmap(cells: dict[tuple[int, int], float]) -> np.ndarray:
    grid = np.zeros((1, 1, 8, 6))
    for (x, y), value in cells.items():
        grid[0, 0, y, x] = value
    return grid


@pytest.mark.parametrize(
    ("cells", "xy"),
    [
        ({(3, 4): 0.9}, (3, 4)),  # equal neighbours: no shift
        ({(3, 4): 0.9, (4, 4): 0.5}, (3.25, 4)),
        ({(3, 4): 0.9, (2, 4): 0.5, (3, 5): 0.1}, (2.75, 4.25)),
        ({(0, 4): 0.9, (1, 4): 0.5}, (0, 4)),  # at the border: one neighbour is missing
        ({(5, 7): 0.9, (4, 7): 0.5}, (5, 7)),
    ],
)
def test_the_peak_moves_a_quarter_cell_to_its_higher_neighbour(cells, xy) -> None:
    found, score = decode_heatmaps(heatmap(cells))
    np.testing.assert_allclose(found[0, 0], xy)
    assert score[0, 0] == pytest.approx(0.9)


def test_scores_stay_in_their_range() -> None:
    _, score = decode_heatmaps(np.stack([np.full((1, 8, 6), 1.7), np.full((1, 8, 6), -0.2)]))
    np.testing.assert_array_equal(score, [[1], [0]])


def test_gaussian_peaks_are_found_to_a_quarter_cell() -> None:
    rng = np.random.default_rng(1)
    true = rng.uniform([5, 5], [42, 58], (40, 1, 2))
    y, x = np.mgrid[:64, :48]
    square = (x - true[..., 0, None, None]) ** 2 + (y - true[..., 1, None, None]) ** 2
    found, _ = decode_heatmaps(np.exp(-square / (2 * 2.0**2)))
    assert np.abs(found - true).max() <= 0.25 + 1e-9


def test_unflip_brings_a_mirrored_map_back() -> None:
    """Cell 1 is pixel 4 of the 24 across; unmirrored that is pixel 19, nearest to cell 5."""
    flip = get_skeleton("coco17").flip
    maps = np.zeros((1, 17, 8, 6))
    left, right = 5, 6  # shoulders
    maps[0, right, 3, 1] = 1  # in the mirrored crop the left shoulder looks like a right one
    back = unflip(maps, flip)
    assert np.argwhere(back[0, left]).tolist() == [[3, 5]]
    assert not back[0, right].any()
