"""TensorFlow Lite networks that read one image, run by LiteRT on the CPU."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.weights import existing_file

_STDERR = 2
_LOCK = Lock()

Shape = tuple[int, ...]


class TfliteModel:
    """A network from a file. One call at a time: each thread needs its own instance.

    size: of its square input, pixels.
    """

    def __init__(self, path: Path, size: int, outputs: Sequence[Shape], threads: int = 1) -> None:
        """Open a file that reads (1, size, size, 3) and returns tensors of the shapes `outputs`.

        size: 0 = whatever the file has. threads: of a call; its output is the same with any number,
        since they divide the work and no sum. Tensors of equal shape are taken in the file's order;
        other outputs are ignored. Raises UserError: exit 3 for a missing file or one that is not
        such a network, exit 5 for other shapes.
        """
        self._interpreter, given_details, returned = _open(path, threads)
        (entry, *more) = given_details
        side = _shape(entry)[1] if not size and len(_shape(entry)) == 4 else size
        given = (1, side, side, 3)
        self._index = _pick(outputs, [_shape(tensor) for tensor in returned])
        if more or _shape(entry) != given or self._index is None:
            shapes = ", ".join(str(_shape(tensor)) for tensor in returned)
            raise UserError(
                f"{path} reads {_shape(entry)} and returns {shapes}; expected {given} and "
                f"{', '.join(map(str, outputs))}",
                hint="it is a different kind of model; la2ds models ls names the files",
                exit_code=ExitCode.MISMATCH,
            )
        self.size = side
        self.dtype = np.dtype(entry["dtype"])
        self._entry = entry["index"]
        self._outputs = [returned[i]["index"] for i in self._index]

    def __call__(self, image: np.ndarray) -> list[FloatArray]:
        """The outputs for an input (size, size, 3), without their first axis."""
        self._interpreter.set_tensor(self._entry, image[None].astype(self.dtype))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


def cpu_only(name: str, device: DeviceName) -> None:
    """Raises UserError (exit 6) if CUDA was requested."""
    if device == "cuda":
        raise UserError(
            f"{name} runs only on the CPU",
            hint="use --device auto or --device cpu, or --pose hrnet-w32-msra for the GPU",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _open(path: Path, threads: int) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
    """The interpreter of a file, and the details of its inputs (at least one) and outputs."""
    existing_file(str(path))
    with _quiet():
        from ai_edge_litert.interpreter import Interpreter

        try:
            check_structure(path.read_bytes())
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
            details = interpreter.get_input_details(), interpreter.get_output_details()
            if not details[0]:
                raise ValueError("it reads nothing")
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(
                f"{path} is not a usable TensorFlow Lite model: {first_line(error)}",
                hint="download it again; la2ds models ls names the files that la2ds knows",
                exit_code=ExitCode.UNREADABLE,
            ) from error
    return interpreter, *details


def check_structure(content: bytes) -> None:
    """Raise ValueError unless a file unpacks as a network whose parts refer only to existing parts.

    The interpreter, which is C++, takes that for granted: the offsets and numbers of a damaged file
    can make it read anywhere in memory, and end the process.
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        raise ValueError("it is not a TensorFlow Lite file")
    try:
        model: Any = schema.ModelT.InitFromPackedBuf(content)
        buffers, codes, graphs = model.buffers or [], model.operatorCodes or [], model.subgraphs
        for graph in graphs:
            tensors = len(graph.tensors)
            inside = all(0 <= tensor.buffer < len(buffers) for tensor in graph.tensors)
            for operator in graph.operators if graph.operators is not None else ():
                inside &= 0 <= operator.opcodeIndex < len(codes)
                inside &= _inside(operator.inputs, tensors) and _inside(operator.outputs, tensors)
            if not inside or not (
                _inside(graph.inputs, tensors) and _inside(graph.outputs, tensors)
            ):
                raise ValueError("it refers to parts that it does not have")
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError) as error:
        raise ValueError("its parts do not lie where it says") from error
    except struct.error as error:
        raise ValueError("its parts do not lie where it says") from error
    if not graphs:
        raise ValueError("it contains no network")


def _inside(numbers: Sequence[int] | None, count: int) -> bool:
    """Whether all numbers of tensors are below `count`; -1 stands for none."""
    return numbers is None or all(-1 <= number < count for number in numbers)


def _pick(wanted: Sequence[Shape], present: Sequence[Shape]) -> list[int] | None:
    """For each wanted shape, the first tensor of this shape that is not yet taken; None if one is
    missing."""
    free = list(range(len(present)))
    chosen = []
    for shape in wanted:
        fitting = [i for i in free if present[i] == shape]
        if not fitting:
            return None
        chosen.append(fitting[0])
        free.remove(fitting[0])
    return chosen


def _shape(tensor: dict[str, Any]) -> Shape:
    return tuple(map(int, tensor["shape"]))


@contextmanager
def _quiet() -> Iterator[None]:
    """LiteRT announces its delegate on the error stream, past any setting; what fails is an
    exception."""
    with _LOCK, Path(os.devnull).open("wb") as nothing:
        sys.stderr.flush()
        real = os.dup(_STDERR)
        os.dup2(nothing.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(real, _STDERR)
            os.close(real)
