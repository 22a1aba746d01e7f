"""Weight files of la2ds_models, with its exceptions turned into errors a user can act on."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli import artifact
from la2ds_cli.errors import ExitCode, UserError


def fetch_weights(name: str) -> Path:
    """Local path of the weights of a zoo entry, downloaded where they are missing.

    Raises UserError (exit 6) naming file, hash, sources, target path and the alternatives.
    """
    from la2ds_models.weight_files import WeightError, fetch

    try:
        return fetch(name)
    except WeightError as error:
        raise UserError(
            str(error), hint=_hint(name, error.advice), exit_code=ExitCode.ENVIRONMENT
        ) from error


def weights_identity(name: str) -> str:
    """The name and the sha256, or the known start of it, of a zoo entry; reads no large file."""
    from la2ds_models.weight_files import bundled_path, zoo

    entry = zoo()[name]
    digest = artifact.file_digest(bundled_path(entry)) if entry.bundled else entry.sha256
    return f"{name}:{digest}"


def _hint(name: str, advice: str) -> str:
    if name.startswith("fasterrcnn"):
        return f"{advice}; or use a detector of your own with --detector FILE.onnx"
    return f"{advice}; or use a pose model of your own with --pose FILE.onnx"
