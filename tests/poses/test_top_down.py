from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.top_down import HeatmapDecoder, TopDownBackend

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


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("udp", [False, True])
def test_dark_brings_a_blob_back_to_its_pixel(udp: bool, flip_test: bool) -> None:
    """Through crop, heatmap and back, both conventions are exact to a small part of a cell, which
    is five image pixels; the biased flip is exact to its own rounding of half a cell."""
    network = Brightest(udp)
    backend = TopDownBackend(
        network,
        (64, 48),
        "coco17",
        "cpu",
        flip_test=flip_test,
        decoder=HeatmapDecoder("dark", udp=udp),
    )
    xy, _ = backend.estimate([blob(44.3, 41.8)], BOX)
    biased_flip = flip_test and not udp
    np.testing.assert_allclose(xy[0, 0], [44.3, 41.8], atol=2.5 if biased_flip else 0.25)
    assert len(network.fed) == 1 + flip_test


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
