"""Top-down pose networks: HRNet's highest-resolution branch and a 1x1 heatmap head.

The backbone is timm's ``HighResolutionNet`` (Sun et al., "Deep High-Resolution Representation
Learning for Human Pose Estimation", CVPR 2019). Only the stride-4 branch leaves the last fusion,
so the parameters are exactly those of the official and the OpenMMLab pose checkpoints.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models.hrnet import HighResolutionNetFeatures, cfg_cls
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
DEMO_WEIGHTS = Path(__file__).parent / "weights" / "demo_pose.safetensors"


@dataclass(frozen=True)
class PoseVariant:
    """The form of a pose network's input and heatmaps.

    architecture: a name of timm's HRNet configurations, or `demo`. input_size: (H, W) in pixels.
    sigma: standard deviation of the Gaussian targets in heatmap pixels. stride: input pixels per
    heatmap pixel.
    """

    architecture: str
    input_size: tuple[int, int]
    sigma: float = 2.0
    stride: int = 4
    skeleton: str = "coco17"


_SMALL, _LARGE = (256, 192), (384, 288)

# Names without a suffix are OpenMMLab's 1.x weights, -v0 its 0.x weights, -msra the authors' own.
POSE_VARIANTS: dict[str, PoseVariant] = {
    "hrnet-w32": PoseVariant("hrnet_w32", _SMALL),
    "hrnet-w48": PoseVariant("hrnet_w48", _SMALL),
    "hrnet-w32-384": PoseVariant("hrnet_w32", _LARGE, sigma=3.0),
    "hrnet-w48-384": PoseVariant("hrnet_w48", _LARGE, sigma=3.0),
    "hrnet-w32-v0": PoseVariant("hrnet_w32", _SMALL),
    "hrnet-w48-v0": PoseVariant("hrnet_w48", _SMALL),
    "hrnet-w32-msra": PoseVariant("hrnet_w32", _SMALL),
    "hrnet-w48-384-msra": PoseVariant("hrnet_w48", _LARGE, sigma=3.0),
    "hrnet-demo": PoseVariant("demo", (128, 96), sigma=1.25),
}


class PoseNetwork(nn.Module):
    """HRNet backbone and heatmap head: (B, 3, H, W) -> (B, K, H/4, W/4)."""

    def __init__(self, architecture: dict[str, Any], joints: int) -> None:
        super().__init__()
        self.backbone = HighResolutionNetFeatures(
            architecture, feature_location="", out_indices=(1,)
        )
        # Only the stride-4 branch is used, so the last fusion into the coarser branches is left
        # out, as in the published pose checkpoints.
        last: Any = self.backbone.stage4[-1]
        last.fuse_layers = last.fuse_layers[:1]
        width = architecture["stage4"]["num_channels"][0]
        self.final_layer = nn.Conv2d(width, joints, kernel_size=1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        self.final_layer.bias = nn.Parameter(torch.zeros(joints))

    def forward(self, image: Tensor) -> Tensor:
        """Return heatmaps (B, K, H/4, W/4) of an image (B, 3, H, W), float32 RGB, normalised as for
        ImageNet.

        H and W must be multiples of 32.
        """
        feature = self.backbone(image)[0]  # (B, width, H/4, W/4)
        return self.final_layer(feature)


def build_pose_network(variant: str, joints: int = 17) -> nn.Module:
    """Return a pose network with random weights; raises ValueError for a variant that is not in
    POSE_VARIANTS."""
    if variant not in POSE_VARIANTS:
        raise ValueError(f"unknown pose network {variant!r}; known: {', '.join(POSE_VARIANTS)}")
    architecture = POSE_VARIANTS[variant].architecture
    if architecture == "demo":
        return PoseNetwork(_demo_architecture(width=16), joints)
    return PoseNetwork(cfg_cls[architecture], joints)


def _demo_architecture(width: int) -> dict[str, Any]:
    def stage(branches: int, block: str, blocks: int, channels: int) -> dict[str, Any]:
        return {
            "num_modules": 1,
            "num_branches": branches,
            "block_type": block,
            "num_blocks": (blocks,) * branches,
            "num_channels": tuple(channels * 2**branch for branch in range(branches)),
            "fuse_method": "SUM",
        }

    return {
        "stem_width": 2 * width,
        "stage1": stage(1, "BOTTLENECK", 1, width),
        "stage2": stage(2, "BASIC", 2, width),
        "stage3": stage(3, "BASIC", 2, width),
        "stage4": stage(4, "BASIC", 2, width),
    }


def load_pose_weights(network: nn.Module, path: str | Path) -> None:
    """Load a checkpoint into a network in place; parameters become float32.

    It reads this package's safetensors, OpenMMLab checkpoints (`backbone.*` and
    `head.final_layer.*` or `keypoint_head.final_layer.*`, bare or under `state_dict`) and the
    official `pose_hrnet_*.pth` naming (no prefix). Parts of a classifier are ignored. Nothing in
    the file is executed. Raises ValueError, which names keys, if the weights do not fit.
    """
    path = Path(path)
    expected = network.state_dict()
    renamed = {_network_name(key): value for key, value in read_checkpoint(path)[0].items()}
    tensors = {
        name: value
        for name, value in renamed.items()
        if name in expected or not _CLASSIFICATION.match(name)
    }
    load_all(network, tensors, path.name)


def load_all(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load tensors, by name, into a network in place; parameters keep their dtype.

    Raises ValueError, which names keys of `source`, if one is missing, unknown or of another shape.
    """
    wanted = network.state_dict()
    # Old checkpoints predate the step counter, which has no influence on the output.
    state = {name: v for name, v in wanted.items() if name.endswith("num_batches_tracked")}
    state |= tensors
    shapes, stored = ({n: tuple(v.shape) for n, v in each.items()} for each in (wanted, state))
    wrong = sorted(n for n in shapes.keys() | stored.keys() if shapes.get(n) != stored.get(n))
    if wrong:
        listed = [f"{n}: file {stored.get(n)}, network {shapes.get(n)}" for n in wrong[:3]]
        more = ["..."] if len(wrong) > 3 else []
        raise ValueError(
            f"{source} does not fit this network: {len(wrong)} of its tensors are missing, unknown "
            f"or of another shape ({'; '.join([*listed, *more])})"
        )
    network.load_state_dict(state)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Return the tensors of a checkpoint by name, and the `meta` that OpenMMLab stores with them.

    It reads safetensors and torch files, bare or under `state_dict` or `model`. Nothing in the file
    is executed: raises `pickle.UnpicklingError` if it would run code, and ValueError if it is
    damaged or contains no named tensors.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path), {}
        with torch.serialization.safe_globals(_harmless_globals()):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, UnpicklingError):
        raise
    except Exception as error:  # torch raises errors of every kind for damaged files
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path.name} is damaged: {reason or type(error).__name__}") from error
    meta: Any = {}
    for key in ("state_dict", "model"):  # of OpenMMLab, and of other training codes
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            meta, content = content.get("meta"), content[key]
    if not isinstance(content, Mapping):
        raise ValueError(f"{path.name} contains a {type(content).__name__}, not a state dict")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    return tensors, meta if isinstance(meta, Mapping) else {}


def _harmless_globals() -> list[Any]:
    """Return numpy's array constructors, which OpenMMLab checkpoints need for their metadata.

    They only build arrays and numbers, so allowing them is safe.
    """
    import numpy as np
    from numpy import dtypes

    try:
        core = import_module("numpy._core.multiarray")
    except ImportError:  # numpy 1
        core = import_module("numpy.core.multiarray")
    # Files written with numpy 1 and with numpy 2 name the same functions differently.
    functions = [
        (getattr(core, name), f"numpy.{package}.multiarray.{name}")
        for name in ("_reconstruct", "scalar")
        for package in ("core", "_core")
    ]
    kinds = [getattr(dtypes, name) for name in dtypes.__all__]
    return [np.ndarray, np.dtype, *functions, *kinds]


_CLASSIFICATION = re.compile(
    r"backbone\.(incre_modules|downsamp_modules|classifier|fc|data_preprocessor)\."
    r"|final_layer\.[012]\."  # the classifier's conv + norm; pose has final_layer.weight
    r"|backbone\.stage4\.\d+\.fuse_layers\.[123]\."  # fusion into branches that pose does not use
)


def _network_name(key: str) -> str:
    """Return the name of a checkpoint's key in PoseNetwork."""
    name = key.removeprefix("module.")
    name = name.removeprefix("keypoint_head.").removeprefix("head.").removeprefix("backbone.")
    return name if name.startswith("final_layer.") else f"backbone.{name}"
