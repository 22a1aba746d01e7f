"""ONNX files: opening them on the requested device, and naming them in cache keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.weights import existing_file


def onnx_identity(name: str) -> str:
    """`onnx:` and the sha256 of the model, and of the file beside it in which torch stores its
    weights, so that renaming it changes no cache key. Raises UserError (exit 3) if there is no such
    file."""
    path = existing_file(name)
    weights = path.with_name(f"{path.name}.data")
    files = [path, weights] if weights.is_file() else [path]
    return f"onnx:{'+'.join(map(artifact.file_digest, files))}"


def open_session(name: str, device: DeviceName) -> Any:
    """An onnxruntime InferenceSession with one input.

    `cuda` is used or refused; `auto` uses CUDA if onnxruntime has it. Raises UserError: exit 3 for
    a file that is missing or not an ONNX model, exit 6 if CUDA is missing.
    """
    import onnxruntime

    path = existing_file(name)
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
        session = onnxruntime.InferenceSession(
            str(path),
            options,
            providers=providers,
            enable_fallback=int(len(providers) > 1),  # it prints on stdout, and is for CUDA alone
        )
        for known in (session.get_modelmeta, session.get_inputs, session.get_outputs):
            known()  # raises for names that are no text
    except Exception as error:  # onnxruntime raises its own classes straight below Exception
        raise UserError(
            f"{name} is not a usable ONNX model: {first_line(error)}",
            hint="export it again; la2ds needs the .onnx file with its weights",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise _no_cuda()
    return session


def session_device(session: Any) -> str:
    """`cuda` or `cpu`: where the session actually runs."""
    return "cuda" if session.get_providers()[0] == "CUDAExecutionProvider" else "cpu"


_FLOATS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


def check_image_input(session: Any, name: str, expected: str) -> None:
    """Raise UserError (exit 5) unless a network takes one batch of RGB images in floating point:
    (B, 3, H, W), B 1 or free. expected: such an input, for the message."""
    given = session.get_inputs()
    shape = given[0].shape if len(given) == 1 else []
    fits = len(shape) == 4 and _is_free(shape[0], 1) and _is_free(shape[1], 3)
    if not fits or given[0].type not in _FLOATS:
        kinds = ", ".join(f"{tuple(node.shape)} of {node.type[7:-1]}" for node in given)
        raise unfit(name, f"{expected} of float, float16 or double", f"input {kinds}")


def _is_free(length: Any, value: int) -> bool:
    """Whether a dimension can be `value`: it is this value, or symbolic."""
    return length == value or not isinstance(length, int)


def run_images(
    session: Any, name: str, images: FloatArray, outputs: Sequence[str] | None = None
) -> list[FloatArray]:
    """float32 outputs of a network for images (n, 3, H, W), in the type that it takes.

    outputs: their names, None = all. Raises UserError (exit 5) if the network cannot run on them,
    or returns anything but numbers.
    """
    given = session.get_inputs()[0]
    try:
        answers = session.run(outputs, {given.name: images.astype(_FLOATS[given.type])})
    except Exception as error:  # onnxruntime raises its own classes straight below Exception
        actual = f"no answer to an image {images.shape}: {first_line(error)}"
        raise unfit(name, "a network that runs", actual) from error
    arrays = []
    for answer in answers:
        if not isinstance(answer, np.ndarray) or answer.dtype.kind not in "fiub":
            raise unfit(name, "outputs of numbers", "another output")
        with np.errstate(over="ignore"):  # of double, seen as infinity
            arrays.append(answer.astype(np.float32))
    return arrays


def fixed(length: Any) -> int:
    """A dimension of an ONNX shape; 0 if it is symbolic."""
    return length if isinstance(length, int) and length > 0 else 0


def unfit(name: str, expected: str, actual: str) -> UserError:
    """The error for a model whose inputs or outputs are not those that la2ds reads."""
    return UserError(
        f"{name} has {actual}, expected {expected}",
        hint="docs/how-to/extend.md describes the models that la2ds reads",
        exit_code=ExitCode.MISMATCH,
    )


def _no_cuda() -> UserError:
    return UserError(
        "CUDA was requested, but the installed onnxruntime cannot use it",
        hint="pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
        exit_code=ExitCode.ENVIRONMENT,
    )
