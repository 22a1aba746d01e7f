"""Step: the trained network of a run as an ONNX file that needs nothing else.

The file is compared with torch first; one that differs is not written (docs/export-model.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli import __version__, artifact
from la2ds_cli.config import Config
from la2ds_cli.embedder import Forward, window_frames
from la2ds_cli.embedding import VERSION, TrainedNetwork, exported_path, load_network, torch_embedder
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.network_input import NetworkInput
from la2ds_cli.onnx_model import SCHEMA, SUFFIX, input_shapes, pack, read_model, skeleton_entry
from la2ds_cli.progress import Progress
from la2ds_cli.project import DEFAULT_RUN, Project
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.training.checkpoint import SECTIONS

if TYPE_CHECKING:
    from la2ds_models.sequence_network import SequenceNetwork

TOLERANCE = 1e-4  # largest difference from torch of any number of an embedding
_FACTS = ("step", "validation_error")  # of the checkpoint; the clips' ids stay at home


@dataclass(frozen=True)
class ExportedModel:
    """weights: digest of the checkpoint; difference: largest from torch, over clips of `lengths`
    frames of random input."""

    path: Path
    run: str
    weights: str
    skeleton: str
    inputs: Mapping[str, Sequence[int]]
    size: int  # bytes
    lengths: Sequence[int]
    difference: float


def export_model(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    out: Path | None = None,
    progress: Progress | None = None,
) -> ExportedModel:
    """Write the embedder of a run as an ONNX file; an existing one is replaced.

    out: the file, by default model.onnx in the folder of the run. UserError: exit 2 for another
    suffix than .onnx, 4 for a network that cannot be exported, 6 where onnx or onnxscript is
    missing or the exported network differs from torch by more than TOLERANCE, and what
    load_network raises.
    """
    progress = progress or Progress()
    path = out or exported_path(project, run)
    if path.suffix.lower() != SUFFIX:
        raise UserError(
            f"cannot write a model to '{path}': unknown file type", hint=f"end the name in {SUFFIX}"
        )
    trained = load_network(project, run)
    progress.begin("exporting", 2)
    content, lengths, difference = exported(trained, run, progress)
    artifact.write_bytes(path, content)
    progress.end()
    shapes = input_shapes(trained.config, get_skeleton(trained.skeleton))
    return ExportedModel(
        path=path,
        run=run,
        weights=trained.key,
        skeleton=trained.skeleton,
        inputs=shapes,
        size=len(content),
        lengths=lengths,
        difference=difference,
    )


def exported(
    trained: TrainedNetwork, run: str, progress: Progress | None = None
) -> tuple[bytes, list[int], float]:
    """The file of a trained network, the lengths it was tried on, and its largest difference."""
    import torch

    progress = progress or Progress()
    config, skeleton = trained.config, get_skeleton(trained.skeleton)
    reference = torch_embedder(
        trained.network, config, skeleton.name, trained.key, torch.device("cpu")
    ).forward
    shapes = input_shapes(config, skeleton)
    graph = _graph(trained.network, shapes, config.model.encoder)
    progress.advance()
    header = {
        "schema": SCHEMA,
        "version": __version__,
        "run": run,
        "weights": trained.key,
        "embedding": VERSION,
        "skeleton": skeleton_entry(skeleton),
        "settings": {name: asdict(getattr(config, name)) for name in SECTIONS},
        "facts": {name: trained.facts[name] for name in _FACTS if name in trained.facts},
    }
    found = read_model(pack(graph, header), Path("the exported model")).forward
    lengths = lengths_to_try(config)
    difference = largest_difference(reference, found, shapes, lengths)
    if not difference <= TOLERANCE:
        raise UserError(
            f"the exported network differs from torch by {difference:.1e}, more than "
            f"{TOLERANCE:.0e}; nothing was written",
            hint="try other versions of torch, onnxscript or onnxruntime; la2ds doctor shows "
            "what is installed",
            exit_code=ExitCode.ENVIRONMENT,
        )
    progress.advance()
    return pack(graph, header | {"difference": difference}), lengths, difference


def lengths_to_try(config: Config) -> list[int]:
    """Frames of the clips that the two engines are compared on: the ends of what a window may
    have, and around the length that training showed, where position tables begin to stretch."""
    frames = config.train.frames
    return sorted({1, 2, max(1, frames // 2), frames, frames + 1, window_frames(config)})


def largest_difference(
    first: Forward, second: Forward, shapes: Mapping[str, Sequence[int]], lengths: Sequence[int]
) -> float:
    """Largest absolute difference of two networks on seeded random clips of these lengths."""
    random = np.random.default_rng(0)
    worst = 0.0
    for length in lengths:
        maps = joints = None
        if "maps" in shapes:
            maps = random.random((length, *shapes["maps"]), dtype=np.float32)
        if "joints" in shapes:
            joints = random.standard_normal((length, *shapes["joints"]), dtype=np.float32)
        item = NetworkInput(maps, joints)
        worst = max(worst, float(np.abs(first(item) - second(item)).max()))
    return worst


def _graph(network: SequenceNetwork, shapes: Mapping[str, tuple[int, ...]], encoder: str) -> Any:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"exporting a model needs the package {error.name}",
            hint="pip install 'la2ds[export]'",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    from la2ds_models.onnx_graph import onnx_graph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        try:
            return onnx_graph(network, shapes.get("maps"), shapes.get("joints"))
        except Exception as error:  # torch.export and torch.onnx have no common class
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"the network '{encoder}' cannot be exported: {reason}",
                hint="docs/export-model.md says what a network may do",
                exit_code=ExitCode.UNUSABLE,
            ) from error
