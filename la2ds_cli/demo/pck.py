"""How well a pose network finds the joints of rendered people it never saw."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.body import COCO17
from la2ds_cli.demo.sample import PoseSample, random_sample
from la2ds_cli.poses.top_down import decode_heatmaps

_HELD_OUT = 0x1A2D  # second seed word that training never uses
_TORSO = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))


def held_out_samples(count: int, size: tuple[int, int], seed: int = 0) -> list[PoseSample]:
    """``count`` fixed crops of ``size`` (H, W), alternately demo movement and random poses."""
    return [
        random_sample(np.random.default_rng([seed, _HELD_OUT, index]), size, index % 2 == 0)
        for index in range(count)
    ]


def pck(predicted: FloatArray, true: FloatArray, counted: FloatArray, share: float = 0.2) -> float:
    """Percentage of correct keypoints, in [0, 1], after Yang & Ramanan (2013).

    A joint of ``predicted`` (N, 17, 2) is correct within ``share`` of its person's torso size:
    the mean distance from shoulder to opposite hip in ``true`` (N, 17, 2). Only joints with
    ``counted`` (N, 17) count; NaN where none does.
    """
    torso = np.mean(
        [
            np.linalg.norm(true[:, COCO17.index(one)] - true[:, COCO17.index(other)], axis=-1)
            for one, other in _TORSO
        ],
        axis=0,
    )
    error = np.linalg.norm(predicted - true, axis=-1)
    correct = error <= share * torso[:, None]
    return float(correct[counted].mean()) if counted.any() else float("nan")


def network_pck(network: Any, samples: Sequence[PoseSample], stride: int) -> tuple[float, float]:
    """PCK@0.2 of a pose network on the demo-movement and on the random poses.

    ``samples`` alternate as ``held_out_samples`` makes them; joints outside the crop do not count.
    """
    import torch

    from la2ds_models.pose import normalise

    image = torch.from_numpy(np.stack([sample.image for sample in samples]))
    with torch.inference_mode():
        heatmap = torch.cat([network(normalise(part)) for part in image.split(32)])
    cell, _ = decode_heatmaps(heatmap.float().numpy())
    found = cell * stride
    true = np.stack([sample.xy for sample in samples])
    inside = np.stack([sample.inside for sample in samples])
    return (
        pck(found[::2], true[::2], inside[::2]),
        pck(found[1::2], true[1::2], inside[1::2]),
    )
