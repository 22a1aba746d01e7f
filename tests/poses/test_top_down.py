"""Crops, decoders and batches of top-down networks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.poses.top_down import (
    HeatmapDecoder,
    SimccDecoder,
    TopDownBackend,
    crop_matrix,
    decode_heatmaps,
    to_image,
)
from la2ds_models.pose import build_pose_network


def test_udp_measures_between_pixel_centres() -> None:
    """A box of 192 x 256 pixels, unpadded, spans the 191 x 255 steps between the outer centres."""
    matrix = crop_matrix(np.array([100, 200, 292, 456.0]), (256, 192), padding=1, udp=True)
    np.testing.assert_allclose(matrix @ [100, 200, 1], [0, 0], atol=1e-9)
    np.testing.assert_allclose(matrix @ [292, 456, 1], [191, 255])
    np.testing.assert_allclose(matrix @ [196, 328, 1], [95.5, 127.5])


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
        ({(1, 4): 0.9, (2, 4): 0.5}, (1, 4)),  # and, as published, one cell from it on one side
        ({(4, 6): 0.9, (3, 6): 0.5, (4, 7): 0.1}, (3.75, 6.25)),
        ({(3, 0): 0.9, (4, 0): 0.5}, (3, 0)),  # at the upper border neither axis moves
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


def gaussians(count: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Maps (count, 1, 64, 48) and the true places (count, 1, 2) in cells."""
    true = np.random.default_rng(1).uniform([5, 5], [42, 58], (count, 1, 2))
    y, x = np.mgrid[:64, :48]
    square = (x - true[..., 0, None, None]) ** 2 + (y - true[..., 1, None, None]) ** 2
    return np.exp(-square / (2 * sigma**2)), true


def test_quarter_finds_gaussian_peaks_to_a_quarter_cell() -> None:
    heatmap, true = gaussians(40, 2.0)
    found, _ = decode_heatmaps(heatmap)
    assert np.abs(found - true).max() <= 0.25 + 1e-9
    assert np.abs(found - true).mean() > 0.1


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize(("sigma", "kernel"), [(2.0, 11), (3.0, 17), (1.25, 7)])
def test_dark_finds_gaussian_peaks_to_a_twentieth_of_a_cell(sigma, kernel, udp) -> None:
    heatmap, true = gaussians(40, sigma)
    found, score = decode_heatmaps(heatmap, "dark", udp=udp, kernel=kernel)
    assert np.abs(found - true).max() < 0.05
    np.testing.assert_array_equal(score, heatmap.max(axis=(2, 3)))  # not of the smoothed map


def test_dark_by_hand() -> None:
    """Between cells 20 and 21 at 20.3: the log of a Gaussian is a parabola, and a Newton step from
    20 ends at its top. Smoothing cannot move it, since both are symmetric about 20.3."""
    y, x = np.mgrid[:64, :48]
    heatmap = 0.7 * np.exp(-((x - 20.3) ** 2 + (y - 30) ** 2) / 8)[None, None]
    found, score = decode_heatmaps(heatmap, "dark")
    np.testing.assert_allclose(found[0, 0], [20.3, 30], atol=0.01)
    assert score[0, 0] == pytest.approx(0.7, rel=0.02)


def test_dark_looks_past_a_side_peak() -> None:
    """A lone bright cell beside a broad hill: smoothed away, as eq. 10 is for, while the quarter
    offset takes it for the direction of the joint."""
    heatmap, true = gaussians(1, 2.0)
    x, y = np.rint(true[0, 0]).astype(int)
    heatmap = heatmap * 0.9
    dark = decode_heatmaps(heatmap, "dark")[0]
    heatmap[0, 0, y, x + 6] += 0.2
    np.testing.assert_allclose(decode_heatmaps(heatmap, "dark")[0], dark, atol=0.1)


@pytest.mark.parametrize("udp", [False, True])
def test_dark_stays_finite_on_maps_without_a_peak(udp: bool) -> None:
    corner = heatmap({(0, 0): 0.9})
    for maps in (np.full((1, 1, 8, 6), 0.5), corner):
        found, _ = decode_heatmaps(maps, "dark", udp=udp, kernel=3)
        assert np.isfinite(found).all()
        assert np.abs(found).max() < 1
    for maps in (np.zeros((1, 1, 8, 6)), np.full((1, 1, 8, 6), -1.0)):
        found, score = decode_heatmaps(maps, "dark", udp=udp, kernel=3)
        assert (found.tolist(), score.tolist()) == ([[[-1, -1]]], [[0]])


def test_a_decoder_goes_to_input_pixels_by_its_convention() -> None:
    maps = heatmap({(3, 4): 0.9})
    np.testing.assert_allclose(HeatmapDecoder().joints(maps, (32, 24))[0], [[[12, 16]]])
    unbiased = HeatmapDecoder("quarter", udp=True).joints(maps, (32, 24))[0]
    np.testing.assert_allclose(unbiased, [[[3 * 23 / 5, 4 * 31 / 7]]])


def profiles(x: dict[int, float], y: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Two bins per pixel of a 64 x 48 input, one joint."""
    over_x, over_y = np.zeros((1, 1, 96), np.float32), np.zeros((1, 1, 128), np.float32)
    for profile, values in ((over_x, x), (over_y, y)):
        for place, value in values.items():
            profile[0, 0, place] = value
    return over_x, over_y


def test_the_highest_bins_in_pixels_and_the_lower_value() -> None:
    xy, score = SimccDecoder().joints(profiles({31: 0.9, 10: 0.3}, {80: 0.6}), (64, 48))
    np.testing.assert_array_equal(xy, [[[15.5, 40]]])
    assert score[0, 0] == pytest.approx(0.6)


@pytest.mark.heavy
def test_the_joints_of_mmpose() -> None:
    pytest.importorskip("mmpose", reason="compares with MMPose: pip install 'la2ds[mmpose]'")
    from la2ds_cli.poses.openmmlab import install_stand_ins

    install_stand_ins()
    from mmpose.codecs import SimCCLabel  # pyright: ignore[reportMissingImports]

    rng = np.random.default_rng(0)
    x, y = rng.normal(0.3, 0.3, (5, 17, 384)), rng.normal(0.3, 0.3, (5, 17, 512))
    codec = SimCCLabel(input_size=(192, 256), simcc_split_ratio=2.0)
    expected = codec.decode(x, y)
    xy, score = SimccDecoder().joints((x, y), (256, 192))
    np.testing.assert_allclose(xy, expected[0])
    np.testing.assert_allclose(score, np.clip(expected[1], 0, 1))


BOX = np.array([[20, 10, 68, 74.0]])  # 48 x 64, the aspect of the tiny input


class Brightest:
    """Heatmaps of a network that marks the brightest place of its input, cell by cell of 4 x 4,
    by a Gaussian whose centre follows the convention of its training."""

    def __init__(self, udp: bool) -> None:
        self.udp = udp
        self.fed: list[np.ndarray] = []

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        self.fed.append(crop)
        value = crop[:, 0] - crop[:, 0].min(axis=(1, 2), keepdims=True)
        y, x = np.mgrid[:64, :48]
        total = value.sum(axis=(1, 2)) + 1e-9
        at = np.stack([(value * x).sum(axis=(1, 2)), (value * y).sum(axis=(1, 2))]) / total
        size = (47 / 11, 63 / 15) if self.udp else (4, 4)
        v, u = np.mgrid[:16, :12]
        across = (u - at[0, :, None, None] / size[0]) ** 2
        down = (v - at[1, :, None, None] / size[1]) ** 2
        maps = np.exp(-(across + down) / 8).astype(np.float32)
        return np.repeat(maps[:, None], 17, axis=1)


def blob(x: float, y: float) -> np.ndarray:
    """A soft round blob in an image of 100 x 120."""
    v, u = np.mgrid[:100, :120]
    soft = 255 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * 3.0**2))
    return np.repeat(np.rint(soft).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("udp", [False, True])
def test_dark_brings_a_blob_back_to_its_pixel(udp: bool) -> None:
    """Through crop, heatmap and back, both conventions are exact to a small part of a cell, which
    is five image pixels."""
    network = Brightest(udp)
    backend = TopDownBackend(
        network,
        (64, 48),
        "coco17",
        "cpu",
        decoder=HeatmapDecoder("dark", udp=udp),
    )
    xy, _ = backend.estimate([blob(44.3, 41.8)], BOX)
    np.testing.assert_allclose(xy[0, 0], [44.3, 41.8], atol=0.25)
    assert len(network.fed) == 1


def test_a_convention_the_network_was_not_trained_with_is_off() -> None:
    """Away from the centre of the box the two differ, here by more than a pixel of the image."""
    places = {}
    for udp in (False, True):
        decoder = HeatmapDecoder("dark", udp=udp)
        backend = TopDownBackend(Brightest(True), (64, 48), "coco17", "cpu", decoder=decoder)
        places[udp] = backend.estimate([blob(52, 58)], BOX)[0][0, 0]
    np.testing.assert_allclose(places[True], [52, 58], atol=0.25)
    assert np.abs(places[False] - [52, 58]).max() > 1


def test_statistics_of_the_channels_are_those_given() -> None:
    network = Brightest(False)
    image = np.full((100, 120, 3), (255, 51, 0), np.uint8)
    TopDownBackend(
        network, (64, 48), "coco17", "cpu", mean=(0.5, 0.2, 0.0), std=(0.25, 1.0, 2.0)
    ).estimate([image], BOX)
    np.testing.assert_allclose(network.fed[0][0, :, 32, 24], [2, 0, 0], atol=1e-6)


def test_batches_are_always_full() -> None:
    """Bit for bit, on the real network: the last bits depend on the shape of a batch."""
    torch.manual_seed(0)
    network = build_pose_network("hrnet-demo", 17).eval()
    sizes = []

    def forward(crop: np.ndarray) -> np.ndarray:
        sizes.append(len(crop))
        with torch.inference_mode():
            return network(torch.from_numpy(crop)).numpy()

    backend = TopDownBackend(forward, (128, 96), "coco17", "cpu", batch_size=4)
    image = np.random.default_rng(0).integers(0, 256, (150, 100, 3), dtype=np.uint8)
    box = np.array([[5 * n, 10, 60 + 5 * n, 140] for n in range(7)], float)
    together = backend.estimate([image] * 7, box)
    alone = [backend.estimate([image], box[n : n + 1]) for n in range(7)]
    for n, value in enumerate(together):
        np.testing.assert_array_equal(value, np.concatenate([each[n] for each in alone]))
    assert set(sizes) == {4}
