"""Step: export the trained network of a run as a self-contained ONNX file.

The exported network is first compared with torch; the file is not written if they differ
(docs/how-to/extend.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli import __version__
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError, optional_import
from la2ds_cli.core.output_paths import check_suffix
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.embedding.embedder import VERSION, Forward, window_frames
from la2ds_cli.embedding.onnx_model import (
    SCHEMA,
    SUFFIX,
    exported_path,
    input_shapes,
    pack,
    read_model,
    skeleton_entry,
)
from la2ds_cli.embedding.trained import StoredWeights, load_network, torch_embedder
from la2ds_cli.features.network_input import FRAME_FEATURE_WIDTH, NetworkInput, network_input
from la2ds_cli.training.checkpoint import SECTIONS

if TYPE_CHECKING:
    from la2ds_models.sequence_network import SequenceNetwork

TOLERANCE = 1e-4  # largest difference, as a share of the largest embedding value, or of 1
# Facts copied from the checkpoint; ids of clips are private.
_FACTS = ("step", "validation_error", "spread", "centre")


@dataclass(frozen=True)
class Comparison:
    """Two engines compared on random clips of `lengths` frames.

    largest: the largest absolute value of the first engine. difference: the largest difference.
    """

    lengths: Sequence[int]
    largest: float
    difference: float

    @property
    def share(self) -> float:
        """The difference as a share of the largest value, or of 1 if all values are below 1.

        Rounding of float32 grows with the values; those of a network without a final LayerNorm
        (preset paper-penn-casa) reach several hundred.
        """
        return self.difference / max(1.0, self.largest)


@dataclass(frozen=True)
class ExportedModel:
    """An exported file. weights: digest of the checkpoint. inputs: name -> shape without the frame
    dimension. check: the comparison with torch."""

    path: Path
    run: str
    weights: str
    skeleton: str
    inputs: Mapping[str, Sequence[int]]
    size: int  # bytes
    check: Comparison


def export_model(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    out: Path | None = None,
    progress: Progress | None = None,
) -> ExportedModel:
    """Write the embedder of a run as an ONNX file; an existing one is replaced.

    out: the file, by default model.onnx in the folder of the run. Raises UserError if the suffix is
    not .onnx (exit 2), if the network cannot be exported (exit 4), if onnx or onnxscript is missing
    or the exported network differs from torch by more than TOLERANCE (exit 6), and as load_network
    does.
    """
    progress = progress or Progress()
    path = out or exported_path(project, run)
    check_suffix(path, "a model", (SUFFIX,))
    network, stored = load_network(project, run)
    progress.begin("exporting", 2)
    content, check = exported(network, stored, run, progress)
    artifact.write_bytes(path, content)
    progress.end()
    name = stored.header.skeleton
    shapes = input_shapes(stored.header.config, get_skeleton(name))
    return ExportedModel(path, run, stored.key, name, shapes, len(content), check)


def exported(
    network: SequenceNetwork, stored: StoredWeights, run: str, progress: Progress | None = None
) -> tuple[bytes, Comparison]:
    """The content of the file of a trained network, and its comparison with torch."""
    import torch

    progress = progress or Progress()
    config, skeleton = stored.header.config, get_skeleton(stored.header.skeleton)
    cpu = torch.device("cpu")
    reference = torch_embedder(network, config, skeleton.name, stored.key, cpu).forward
    shapes = input_shapes(config, skeleton)
    graph = _graph(network, shapes, config.model.encoder)
    progress.advance()
    header = {
        "schema": SCHEMA,
        "version": __version__,
        "run": run,
        "weights": stored.key,
        "embedding": VERSION,
        "skeleton": skeleton_entry(skeleton),
        "settings": {name: asdict(getattr(config, name)) for name in SECTIONS},
        "facts": {name: stored.facts[name] for name in _FACTS if name in stored.facts},
    }
    if stored.header.frames:
        header["frames"] = stored.header.frames
    forward = read_model(pack(graph, header), Path("the exported model")).forward
    check = compare(reference, forward, config, skeleton)
    if not check.share <= TOLERANCE:
        raise UserError(
            f"the exported network differs from torch by {check.share:.1e} of its largest number, "
            f"more than {TOLERANCE:.0e}; nothing was written",
            hint="try other versions of torch, onnxscript or onnxruntime; la2ds doctor shows "
            "what is installed",
            exit_code=ExitCode.ENVIRONMENT,
        )
    progress.advance()
    return pack(graph, header | {"check": asdict(check)}), check


def compare(first: Forward, second: Forward, config: Config, skeleton: Skeleton) -> Comparison:
    """Compare two engines on clips of the shortest and longest windows, and of lengths around the
    training length, where position tables begin to be stretched."""
    frames = config.train.frames
    lengths = sorted({1, 2, max(1, frames // 2), frames, frames + 1, window_frames(config)})
    largest = difference = 0.0
    for length in lengths:
        clip = random_clip(length, config, skeleton)
        a, b = first(clip), second(clip)
        largest = max(largest, float(np.abs(a).max()))
        difference = max(difference, float(np.abs(a - b).max()))
    return Comparison(lengths, largest, difference)


def random_clip(length: int, config: Config, skeleton: Skeleton) -> NetworkInput:
    """The network input of a body with random, drifting joints, or of random frame features.

    It depends only on the arguments.
    """
    random = np.random.default_rng(length)
    joints = len(skeleton.joints)
    body = random.normal(0, 60, (1, joints, 2))  # pixels
    drift = random.normal(0, 4, (length, joints, 2)).cumsum(axis=0)
    score = random.random((length, joints))
    # Frame features are means after a ReLU.
    frame_features = np.abs(random.normal(0, 1, (length, FRAME_FEATURE_WIDTH)))
    joints_3d = random.normal(0, 0.4, (length, joints, 3))  # metres
    return network_input(
        body + drift, score, skeleton, config.heatmap, config.model, frame_features, joints_3d
    )


def _graph(network: SequenceNetwork, shapes: Mapping[str, tuple[int, ...]], encoder: str) -> Any:
    with optional_import(
        ["onnxscript", "onnx"],
        "exporting a model needs the package {package}, which is not installed",
        "pip install 'la2ds[export]'",
    ):
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401 # pyright: ignore[reportMissingImports]
    from la2ds_models.onnx_graph import onnx_graph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about its own internals
        try:
            return onnx_graph(network, shapes.get("maps"), shapes.get("joints"))
        except Exception as error:  # torch.export and torch.onnx have no common class
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"the network '{encoder}' cannot be exported: {reason}",
                hint="docs/how-to/extend.md says which networks can be exported",
                exit_code=ExitCode.UNUSABLE,
            ) from error
