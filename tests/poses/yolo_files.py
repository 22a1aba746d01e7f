"""Checkpoint files as ultralytics writes them: a pickled network object, its layer list inside."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

LAYERS = {
    "nc": 2,
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "nn.Upsample", ["None", 2, "nearest"]]],
    "head": [[[0, 1], 1, "Detect", ["nc"]]],
}


class DetectionModel(torch.nn.Module):
    """Pickled under the name of ultralytics' class."""

    yaml: Any
    names: Any

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))


DetectionModel.__module__ = "ultralytics.nn.tasks"


def write_checkpoint(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    layers: Any = LAYERS,
    names: Any = None,
    network: Any = None,
    **more: Any,
) -> Path:
    """A checkpoint around `network`, or a small one of two layers, of half precision."""
    if network is None:
        network = DetectionModel().half()
    network.yaml = layers
    network.names = {0: "person", 1: "dog"} if names is None else names
    with monkeypatch.context() as patch:
        for name in ("ultralytics", "ultralytics.nn", "ultralytics.nn.tasks"):
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setattr(
            sys.modules["ultralytics.nn.tasks"], "DetectionModel", DetectionModel, raising=False
        )
        torch.save({"epoch": -1, "ema": None, "model": network, **more}, path)
    return path
