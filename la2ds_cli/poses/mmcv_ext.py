"""Stand-in for `mmcv._ext`, the compiled operators of MMCV, which have no wheel for current torch.

MMPose and MMDetection import these operators by name whether a model uses them or not. Box
detectors need two of them, which torchvision has as well: non-maximum suppression and RoIAlign
(He et al., "Mask R-CNN", ICCV 2017). The others exist and say what is missing when they are called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from la2ds_cli.core.errors import ExitCode, UserError

_NAME = "mmcv._ext"


def install() -> bool:
    """Make `import mmcv._ext` work, before MMPose or MMDetection is imported.

    Returns False where MMCV brings its own compiled operators or this was done before.
    """
    try:
        importlib.import_module(_NAME)
    except ImportError:
        module = _Operators(_NAME)
        # MMEngine looks the module up through the import system, which wants a spec.
        module.__spec__ = ModuleSpec(_NAME, loader=None)
        sys.modules[_NAME] = module
        return True
    return False


class _Operators(ModuleType):
    """A module that has every operator; those that torchvision lacks raise UserError (exit 6)."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: Any, **__: Any) -> Any:
            raise UserError(
                f"this model needs the operator {name} of the compiled MMCV, which is missing",
                hint="build it: pip install --no-build-isolation mmcv==2.1.0, with a C++ compiler; "
                "or choose a model without it",
                exit_code=ExitCode.ENVIRONMENT,
            )

        return missing

    @staticmethod
    def nms(boxes: Any, scores: Any, iou_threshold: float = 0.5, offset: int = 0) -> Any:
        """Indices of the boxes (n, 4) xyxy that stay, best score (n,) first.

        offset: added to the sides before areas are taken; 1 counts pixels, corners included.
        """
        import torch
        import torchvision

        corners = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
        return torchvision.ops.nms(corners.float(), scores.float(), float(iou_threshold))

    @staticmethod
    def roi_align_forward(
        feature: Any,
        rois: Any,
        output: Any,
        argmax_y: Any,
        argmax_x: Any,
        aligned_height: int,
        aligned_width: int,
        spatial_scale: float,
        sampling_ratio: int,
        pool_mode: int,
        aligned: bool,
    ) -> None:
        """RoIAlign of feature (B, D, H, W) at rois (n, 5) batch xyxy into output (n, D, h, w)."""
        import torchvision

        if pool_mode != 1:
            raise UserError(
                "this model pools regions by their maximum, which needs the compiled MMCV",
                hint="choose a model with average pooling, the default of MMDetection",
                exit_code=ExitCode.ENVIRONMENT,
            )
        size = (aligned_height, aligned_width)
        output.copy_(
            torchvision.ops.roi_align(feature, rois, size, spatial_scale, sampling_ratio, aligned)
        )
