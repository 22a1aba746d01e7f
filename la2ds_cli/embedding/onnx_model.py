"""ONNX files of trained networks: their metadata, and embedding by onnxruntime.

From top to bottom: an opened file, writing and reading a file, and the embedder of an exported run.
A file is the graph, followed by one metadata entry `la2ds`, which is JSON: `schema`; `version` of
la2ds; `run`; `weights`, the digest of the checkpoint; `embedding`, the version of the step;
`skeleton` with its `name`, `joints` and `limbs`; `frames`, the identity of the weights that compute
frame features, if the network reads them; `settings` of the run by section; `facts` of the
checkpoint; `check`, the comparison with torch; and `graph`: `bytes` and `sha256` of everything
before the entry. Nothing else is needed to embed. See docs/how-to/extend.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import SKELETONS, Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.embedding.embedder import VERSION, Embedder, FrameFeatureSource, Moments
from la2ds_cli.embedding.trained import checkpoint_path
from la2ds_cli.features.frame_features import frame_feature_reader
from la2ds_cli.features.network_input import NetworkInput, joint_width, map_channels

SCHEMA = 1
ENTRY = "la2ds"
OUTPUT = "embedding"
SUFFIX = ".onnx"
_AGAIN = "export it again: la2ds export-model"


@dataclass(frozen=True)
class OnnxModel:
    """An opened file. header: the entry `la2ds`. weights: digest of the exported checkpoint, the
    key of its embeddings. moments: of its embeddings."""

    path: Path
    forward: OnnxForward
    config: Config
    header: Mapping[str, Any]
    moments: Moments

    @property
    def weights(self) -> str:
        return self.header["weights"]

    @property
    def run(self) -> str:
        return self.header["run"]

    @property
    def frames(self) -> str:
        """Identity of the weights that compute its frame features; empty if it reads joints."""
        return self.header.get("frames", "")

    def embedder(self, frame_features: FrameFeatureSource | None = None) -> Embedder:
        """The embedder of the file, on the CPU."""
        skeleton = self.header["skeleton"]["name"]
        return Embedder(
            self.forward, self.config, skeleton, self.weights, frame_features, self.moments
        )


class OnnxForward:
    """One clip through an onnxruntime session: maps and/or joints -> (T, D) float32."""

    def __init__(self, session: Any, path: Path, width: int) -> None:
        self.session = session
        self.path = path
        self.width = width
        self.names = [node.name for node in session.get_inputs()]

    def __call__(self, item: NetworkInput) -> FloatArray:
        arrays = {"maps": item.maps, "joints": item.joints}
        try:
            value = self.session.run([OUTPUT], {name: arrays[name] for name in self.names})[0]
        except Exception as error:  # the error classes of onnxruntime have no other common base
            raise _refused(self.path, f"its graph fails: {first_line(error)}") from error
        if value.shape != (len(item), self.width):
            raise _refused(self.path, f"it returns {value.shape} for {len(item)} frames")
        return value


# --- writing and reading a file ------------------------------------------------------------------


def skeleton_entry(skeleton: Skeleton) -> dict[str, Any]:
    """The entry `skeleton` of a file, with joints in the order of the input."""
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "limbs": [list(limb) for limb in skeleton.limbs],
    }


def input_shapes(config: Config, skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Names and shapes, without the frame dimension, of the inputs of a network of these
    settings."""
    channels = map_channels(skeleton, config.heatmap, config.model)
    joints = joint_width(skeleton, config.model)
    size = config.heatmap.size
    shapes: dict[str, tuple[int, ...]] = {}
    if channels:
        shapes["maps"] = (channels, size, size)
    if joints:
        shapes["joints"] = (joints,)
    return shapes


def pack(graph: Any, header: Mapping[str, Any]) -> bytes:
    """A file of `graph`, an onnx.ModelProto without metadata, and its header.

    In protobuf, two serialised messages in a row form one message, so the graph is stored unchanged
    in front, and its digest can be checked without the package onnx.
    """
    import onnx

    head = graph.SerializeToString()
    about = {"bytes": len(head), "sha256": hashlib.sha256(head).hexdigest()}
    tail = onnx.ModelProto()
    entry = tail.metadata_props.add()
    entry.key, entry.value = ENTRY, json.dumps({**header, "graph": about}, allow_nan=False)
    return head + tail.SerializeToString()


def open_model(path: Path) -> OnnxModel:
    """Open a file that la2ds exported, on the CPU.

    Raises UserError (exit 3) if the file is missing or is not an ONNX model that onnxruntime can
    run on its own; exit 5 if la2ds did not export it, if it was changed since, or if its schema,
    version of the step or skeleton differs from those of this la2ds.
    """
    try:
        content = regular_file.content(path, most=None, links=True)
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}",
            hint="check the path; la2ds export-model writes such a file",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    return read_model(content, path)


def read_model(content: bytes, path: Path) -> OnnxModel:
    """Open the content of a file, as open_model does; `path` is for messages."""
    session = _session(content, path)
    header = _header(session, content, path)
    try:
        config = load_config(header["settings"])
    except UserError as error:
        raise _refused(path, f"its settings are unknown: {error.message}") from error
    skeleton = get_skeleton(header["skeleton"]["name"])
    expected = input_shapes(config, skeleton)
    inputs = {node.name: tuple(node.shape[1:]) for node in session.get_inputs()}
    if inputs != expected or [node.name for node in session.get_outputs()] != [OUTPUT]:
        raise _refused(path, f"it reads {inputs}, but its settings require {expected}")
    try:
        moments = Moments.of(header.get("facts", {}), config.model.width)
    except (AttributeError, ValueError) as error:
        raise _refused(path, "its entry `la2ds` is damaged") from error
    return OnnxModel(path, OnnxForward(session, path, config.model.width), config, header, moments)


def _session(content: bytes, path: Path) -> Any:
    """A session with one thread, since a window is too small to divide.

    The session has no custom operators, and a file passed as bytes cannot add any.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures come back as exceptions
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # External weights are only read from this folder, so none are read.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    try:
        # The fallback would print to stdout and try the same again.
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # the error classes of onnxruntime have no other common base
        raise UserError(
            f"{path} is not a usable ONNX model: {first_line(error)}",
            hint=_AGAIN,
            exit_code=ExitCode.UNREADABLE,
        ) from error


def _header(session: Any, content: bytes, path: Path) -> dict[str, Any]:
    """The entry `la2ds`; every field that is read later is present and of the right type."""
    try:
        text = session.get_modelmeta().custom_metadata_map.get(ENTRY)
    except UnicodeDecodeError as error:
        raise _refused(path, "its metadata are damaged") from error
    if text is None:
        raise _refused(path, "la2ds did not export it")
    try:
        header = json.loads(text)
        schema, step, graph = header["schema"], header["embedding"], header["graph"]
        length, digest = int(graph["bytes"]), str(graph["sha256"])
        skeleton = header["skeleton"]
        names = skeleton["name"], header["weights"], header["run"], header["version"]
        names += (header.get("frames", ""),)
    except (ValueError, TypeError, KeyError) as error:
        raise _refused(path, "its entry `la2ds` is damaged") from error
    if schema != SCHEMA:
        raise _refused(path, f"it has schema {schema}, expected {SCHEMA}")
    if not all(isinstance(name, str) for name in names) or type(header["settings"]) is not dict:
        raise _refused(path, "its entry `la2ds` is damaged")
    if hashlib.sha256(content[:length]).hexdigest() != digest:
        # Tools such as quantisers change the graph but keep the metadata.
        raise _refused(path, "it was changed since la2ds exported it")
    if step != VERSION:
        raise _refused(path, f"la2ds {header['version']} exported it and embeds differently")
    name = skeleton["name"]
    if name not in SKELETONS or skeleton_entry(SKELETONS[name]) != skeleton:
        raise _refused(path, f"its skeleton {name} does not match one of this la2ds")
    return header


def _refused(path: Path, reason: str) -> UserError:
    return UserError(
        f"cannot embed with {path}: {reason}", hint=_AGAIN, exit_code=ExitCode.MISMATCH
    )


# --- the embedder of an exported run -------------------------------------------------------------


def exported_path(project: Project, run: str) -> Path:
    """The default ONNX file of a run."""
    return project.run_dir(run) / "model.onnx"


def onnx_embedder(
    project: Project, run: str, model: Path | None, device: DeviceName = "auto"
) -> Embedder:
    """The embedder of an exported model, by onnxruntime on the CPU; torch is not loaded.

    model: its file, None = that of the run. Its embeddings are stored as those of the run, so the
    weights of the run, if it has any, must be those of the file. Raises UserError if the run has no
    file (exit 4), if the weights differ (exit 5), for the device `cuda` (exit 6), and as open_model
    does.
    """
    if device == "cuda":
        raise UserError(
            "the engine onnx computes on the CPU",
            hint="use --engine torch with --device cuda",
            exit_code=ExitCode.ENVIRONMENT,
        )
    path = model or exported_path(project, run)
    if model is None and not path.exists():
        raise UserError(
            f"run '{run}' has no exported model",
            hint=f"la2ds export-model --run {run}, or name a file with --model",
            exit_code=ExitCode.UNUSABLE,
        )
    opened = open_model(path)
    weights = checkpoint_path(project, run)
    if weights.exists() and artifact.file_digest(weights) != opened.weights:
        raise UserError(
            f"{path} holds other weights than run '{run}'",
            hint=f"name the run it was exported from, --run {opened.run}; or, after training, "
            f"export again: la2ds export-model --run {run}",
            exit_code=ExitCode.MISMATCH,
        )
    return opened.embedder(frame_feature_reader(project, opened.config, opened.frames, device))
