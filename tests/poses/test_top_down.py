"""Crops, decoders and batches of top-down networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from la2ds_cli.poses.networks import TopDownBackend, crop_matrix, decode_heatmaps, to_image
from la2ds_models.pose import build_pose_network
from tests.poses import mmpose_reference as reference


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
    found, score = decode_heatmaps(heatmap(cells), (32, 24))
    np.testing.assert_allclose(found[0, 0], 4 * np.array(xy))
    assert score[0, 0] == pytest.approx(0.9)


BOX = np.array([[20, 10, 68, 74.0]])  # 48 x 64, the aspect of the tiny input


class Brightest:
    """Heatmaps of a network that marks the brightest place of its input, cell by cell of 4 x 4."""

    def __init__(self) -> None:
        self.fed: list[np.ndarray] = []

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        self.fed.append(crop)
        value = crop[:, 0] - crop[:, 0].min(axis=(1, 2), keepdims=True)
        y, x = np.mgrid[:64, :48]
        total = value.sum(axis=(1, 2)) + 1e-9
        at = np.stack([(value * x).sum(axis=(1, 2)), (value * y).sum(axis=(1, 2))]) / total / 4
        v, u = np.mgrid[:16, :12]
        square = (u - at[0, :, None, None]) ** 2 + (v - at[1, :, None, None]) ** 2
        return np.repeat(np.exp(-square / 8).astype(np.float32)[:, None], 17, axis=1)


def test_crops_are_normalised_rgb() -> None:
    network = Brightest()
    image = np.full((100, 120, 3), (255, 0, 0), np.uint8)
    TopDownBackend(network, (64, 48), "coco17", "cpu").estimate([image], BOX)
    colour = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(network.fed[0][0, :, 32, 24], colour, atol=1e-5)


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


MATRICES = np.stack([crop_matrix(box, reference.INPUT_SIZE) for box in reference.BOXES])


def joints(heatmap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In image pixels."""
    xy, score = decode_heatmaps(heatmap, reference.INPUT_SIZE)
    return to_image(xy, MATRICES[np.arange(len(heatmap)) % len(MATRICES)]), score


def test_crops_and_joints_are_those_of_mmpose() -> None:
    stored = reference.load_fixture()[0]
    # MMPose makes them in float32.
    np.testing.assert_allclose(MATRICES, stored["matrix"], rtol=1e-5, atol=2e-4)
    xy, score = joints(reference.seeded_heatmaps())
    np.testing.assert_allclose(xy, stored["xy"], rtol=0, atol=1e-3)  # pixels
    np.testing.assert_allclose(score, np.clip(stored["score"], 0, 1), atol=1e-6)


def test_a_map_without_a_positive_value_shows_no_joint() -> None:
    """MMPose puts such a joint one cell before the first, wherever the map is highest."""
    xy, score = decode_heatmaps(reference.empty_heatmaps(), reference.INPUT_SIZE)
    np.testing.assert_allclose(xy[0, 1:3], -4)
    assert score[0].tolist() == pytest.approx([0.9, 0, 0, 0.8])
    assert np.abs(xy[0, 0] - (80, 120)).max() < 4
    assert np.abs(xy[0, 3] - (0, 132)).max() < 4
