"""What MMPose answers, on weights and maps that anybody can make again from their names.

`scripts/write_mmpose_fixture.py` stores the answers for the tests of machines without MMPose;
where it is installed, the heavy tests ask it again.
"""

# pyright: reportMissingImports=false
# (MMPose is an optional package)

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

FIXTURE = Path(__file__).parents[1] / "models" / "fixtures" / "mmpose_hrnet.safetensors"
CONFIGS = {
    "hrnet-w32": "td-hm_hrnet-w32_8xb64-210e_coco-256x192",
    "hrnet-w48": "td-hm_hrnet-w48_8xb32-210e_coco-256x192",
    "hrnet-w32-384": "td-hm_hrnet-w32_8xb64-210e_coco-384x288",
    "hrnet-w48-384": "td-hm_hrnet-w48_8xb32-210e_coco-384x288",
}
SAMPLES = 600  # stored heatmap values of each network
HEATMAP_SIZE, INPUT_SIZE = (64, 48), (256, 192)  # (H, W)
BOXES = np.array(
    [[10, 20, 110, 320], [200.5, 50.25, 500.75, 150.5], [-40, -30, 60, 90], [5, 5, 5.5, 300]],
    np.float32,
)


def seeded(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [-1, 1), float32, from the name alone; the bits of PCG64 are guaranteed
    to stay the same across versions of numpy, those of its distributions are not."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    bits = np.random.PCG64(seed).random_raw(math.prod(shape))
    return ((bits >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - 1).reshape(shape)


def seeded_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Weights for OpenMMLab's names that keep the size of the signal through all layers."""
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
            continue
        value = seeded(name, shape)
        if len(shape) == 4:
            gain = 1.0 if "final_layer" in name else 2.0**0.5
            value *= gain * (3 / math.prod(shape[1:])) ** 0.5
        elif name.endswith("running_var"):
            value = 1 + 0.5 * value
        elif name.endswith("weight"):
            value = 0.4 + 0.1 * value
        else:
            value *= 0.1
        state[name] = torch.from_numpy(value)
    return state


def seeded_crop(size: tuple[int, int]) -> torch.Tensor:
    """Network input (1, 3, H, W) in the range of normalised pixels."""
    return torch.from_numpy(2 * seeded(f"crop {size}", (1, 3, *size)))


def sample_places(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of the stored values in a flattened heatmap."""
    return np.linspace(0, math.prod(shape) - 1, SAMPLES).astype(int)


def seeded_heatmaps() -> np.ndarray:
    """(6, 17, 64, 48) float32: a Gaussian at a place between cells, a weaker one elsewhere, noise;
    some lie at the border."""
    height, width = HEATMAP_SIZE
    n, joints = 6, 17
    place = (seeded("place", (2, n, joints, 2)) + 1) / 2 * (width - 1, height - 1)
    sigma = 2 + 0.5 * seeded("sigma", (n, joints, 1, 1))
    y, x = np.mgrid[:height, :width]

    def gaussian(at: np.ndarray) -> np.ndarray:
        square = (x - at[..., 0, None, None]) ** 2 + (y - at[..., 1, None, None]) ** 2
        return np.exp(-square / (2 * sigma**2))

    noise = 0.02 * seeded("noise", (n, joints, height, width))
    return (0.9 * gaussian(place[0]) + 0.3 * gaussian(place[1]) + noise).astype(np.float32)


def empty_heatmaps() -> np.ndarray:
    """(1, 4, 64, 48) float32, made by hand: a joint in the middle; maps without a positive value,
    one with a top below 0 and a flat one; a joint at the border."""
    maps = np.zeros((1, 4, *HEATMAP_SIZE), np.float32)
    maps[0, 0, 29:32, 19:22] = 0.5
    maps[0, 0, 30, 20], maps[0, 0, 30, 21] = 0.9, 0.6
    maps[0, 1] = -0.7
    maps[0, 1, 40, 30] = -0.1
    maps[0, 2] = -0.2
    maps[0, 3, 33, 0] = 0.8
    return maps


def load_fixture() -> tuple[dict[str, np.ndarray], dict[str, dict[str, tuple[int, ...]]]]:
    """Stored answers by name, and the shapes of MMPose's parameters for each width."""
    with safe_open(FIXTURE, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    shapes = {}
    for name in [name for name in tensors if name.startswith("names.")]:
        listed = json.loads(zlib.decompress(tensors.pop(name).tobytes()))
        shapes[name.removeprefix("names.")] = {key: tuple(shape) for key, shape in listed.items()}
    return tensors, shapes


def seeded_w32() -> dict[str, torch.Tensor]:
    """Weights of W32 whose heatmaps lie between 0 and 1, as those of trained ones do."""
    state = seeded_state(load_fixture()[1]["hrnet-w32"])
    state["head.final_layer.weight"] *= 0.1
    state["head.final_layer.bias"] = state["head.final_layer.bias"] + 0.45
    return state


# From here on MMPose is needed, and the stand-in before it is imported.


def mmpose_config(alias: str) -> Any:
    """The configuration of that name in the MMPose package, without downloads."""
    from la2ds_cli.poses.networks.openmmlab import install_stand_ins

    install_stand_ins()
    import mmpose
    from mmengine.config import Config

    folder = Path(str(mmpose.__file__)).parent / ".mim" / "configs"
    (path,) = folder.rglob(f"{alias}.py")
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None
    return config


def mmpose_network(alias: str) -> Any:
    """MMPose's network with random weights, in evaluation mode."""
    config = mmpose_config(alias)
    from mmpose.apis import init_model

    return init_model(config, None, device="cpu")


def mmpose_heatmap(network: Any, crop: torch.Tensor) -> np.ndarray:
    """Heatmaps (n, K, h, w) of crops."""
    with torch.inference_mode():
        return network.head.forward(network.extract_feat(crop)).numpy()


def mmpose_matrix(box: np.ndarray) -> np.ndarray:
    """The affine (2, 3) that MMPose's transforms cut box (4,) with."""
    from mmpose.datasets.transforms import TopdownAffine
    from mmpose.structures.bbox import bbox_xyxy2cs, get_warp_matrix

    height, width = INPUT_SIZE
    center, scale = bbox_xyxy2cs(box[None], padding=1.25)
    scale = TopdownAffine._fix_aspect_ratio(scale, aspect_ratio=width / height)[0]
    return np.asarray(get_warp_matrix(center[0], scale, 0.0, output_size=(width, height)))


def mmpose_joints(heatmap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """xy (n, K, 2) in image pixels for BOXES[i % 4], and score (n, K), by MMPose's codec."""
    from la2ds_cli.poses.networks.openmmlab import install_stand_ins

    install_stand_ins()
    from mmpose.datasets.transforms import TopdownAffine
    from mmpose.registry import KEYPOINT_CODECS
    from mmpose.structures.bbox import bbox_xyxy2cs

    (height, width), (h, w) = INPUT_SIZE, HEATMAP_SIZE
    settings = {"type": "MSRAHeatmap", "sigma": 2, "input_size": (width, height)}
    settings["heatmap_size"] = (w, h)
    codec = KEYPOINT_CODECS.build(settings)
    xy, score = [], []
    for i, maps in enumerate(heatmap):
        keypoints, values = codec.decode(maps)
        center, scale = bbox_xyxy2cs(BOXES[i % len(BOXES)][None], padding=1.25)
        scale = TopdownAffine._fix_aspect_ratio(scale, aspect_ratio=width / height)
        # TopdownPoseEstimator.add_pred_to_datasample
        xy.append(keypoints[0] / (width, height) * scale + center - 0.5 * scale)
        score.append(values[0])
    return np.stack(xy), np.stack(score)
