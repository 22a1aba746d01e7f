"""The base-model weights that ship with la2ds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import Unreadable
from la2ds_models import weight_files

WEIGHTS = "base"  # name in zoo.toml


def base_path() -> Path:
    """Return the path of the weight file, which every installed package contains."""
    return weight_files.bundled_path(weight_files.zoo()[WEIGHTS])


@lru_cache(maxsize=1)
def base_key() -> str:
    """Return the sha256 of the weights, which identifies them in recipes.

    Raises UserError (exit 3) if the file is missing or differs from the entry in zoo.toml.
    """
    path = base_path()
    digest = artifact.file_digest(path) if path.exists() else ""
    if digest != weight_files.zoo()[WEIGHTS].sha256:
        raise Unreadable(
            f"the weights of the base model, {path}, are {'damaged' if digest else 'missing'}",
            hint="install la2ds again; --features pose needs no model",
        )
    return digest
