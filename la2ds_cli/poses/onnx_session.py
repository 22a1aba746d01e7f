"""ONNX files: opening them on the device asked for, and naming them in cache keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError


def onnx_identity(name: str) -> str:
    """`onnx:` and the sha256 of the file, so that renaming it changes no cache key."""
    return f"onnx:{artifact.file_digest(existing(name))}"


def open_session(name: str, device: DeviceName) -> Any:
    """An onnxruntime InferenceSession with one input.

    `cuda` is honoured or refused; `auto` takes CUDA where onnxruntime has it. Raises UserError:
    exit 3 for a file that is missing or no ONNX model, exit 6 for CUDA that is not there.
    """
    import onnxruntime

    path = existing(name)
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise _no_cuda()
    providers = ["CPUExecutionProvider"]
    if has_cuda and device != "cpu":
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures come back as exceptions
    options.intra_op_num_threads = 1  # each call comes from a thread of its own
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime raises its own classes straight below Exception
        raise UserError(
            f"{name} is not a usable ONNX model: {str(error).splitlines()[0]}",
            hint="export it again; la2ds needs the .onnx file with its weights",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise _no_cuda()
    return session


def session_device(session: Any) -> str:
    """`cuda` or `cpu`: where the session really runs."""
    return "cuda" if session.get_providers()[0] == "CUDAExecutionProvider" else "cpu"


def fixed(length: Any) -> int:
    """A dimension of an ONNX shape; 0 where it is symbolic."""
    return length if isinstance(length, int) and length > 0 else 0


def unfit(name: str, expected: str, actual: str) -> UserError:
    """The error of a model whose inputs or outputs are not those that la2ds reads."""
    return UserError(
        f"{name} has {actual}, expected {expected}",
        hint="docs/extending.md describes the models that la2ds reads",
        exit_code=ExitCode.MISMATCH,
    )


def existing(name: str) -> Path:
    """The path of a model file; UserError (exit 3) where there is none."""
    path = Path(name)
    if not path.is_file():
        raise UserError(
            f"no such model file: {name}",
            hint="check the spelling of the path",
            exit_code=ExitCode.UNREADABLE,
        )
    return path


def _no_cuda() -> UserError:
    return UserError(
        "CUDA was asked for, but the installed onnxruntime cannot use it",
        hint="pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
        exit_code=ExitCode.ENVIRONMENT,
    )
