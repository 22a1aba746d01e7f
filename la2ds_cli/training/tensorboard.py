"""The numbers of metrics.jsonl for TensorBoard, where it is asked for (extra `tensorboard`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from la2ds_cli.optional_package import optional_import


class Curves:
    """Event files in a folder. step: the last one that counts; later ones of a run that was
    interrupted are hidden."""

    def __init__(self, folder: Path, step: int) -> None:
        with optional_import(
            ["tensorboard"],
            "--tensorboard needs the package {package}, which is not installed",
            "pip install 'la2ds[tensorboard]'; metrics.jsonl has the same numbers",
        ):
            from torch.utils.tensorboard import SummaryWriter
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, row: Mapping[str, Any]) -> None:
        """One line of metrics.jsonl; what is no number is left out."""
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float):
                self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
