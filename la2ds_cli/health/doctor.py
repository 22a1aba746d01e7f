"""What is installed and what works on this machine, for people and for bug reports."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from la2ds_cli import __version__
from la2ds_models import weight_files

_EXTRAS = {
    "lance": "lancedb",
    "mmpose": "mmpose",
    "ray": "ray",
    "sleap": "sleap-io",
    "spm1d": "spm1d",
    "ultralytics": "ultralytics",
}
_PACKAGES = (
    *("torch", "torchvision", "numpy", "opencv-python", "av", "onnxruntime", "ai-edge-litert"),
    *("timm", "numba"),
)
_IN_PLACE = {"onnxruntime": ("onnxruntime-gpu",)}  # alternatives, here for CUDA


@dataclass(frozen=True)
class Check:
    """A line of the report. ok is False only for things that la2ds cannot work without."""

    name: str
    found: str
    ok: bool = True


def examine() -> list[Check]:
    """Return all checks, in the order of the report; a check that raises becomes a failed line."""
    return [
        Check("la2ds", __version__),
        Check("python", sys.version.split()[0]),
        Check("system", platform.platform()),
        *map(_package, _PACKAGES),
        Check("extras", _extras()),
        _attempt("device", _device),
        _attempt("decoder", _decoder),
        _attempt("weights", _weights),
    ]


def _package(name: str) -> Check:
    """Return the version of a package, or of an alternative that is installed instead."""
    from importlib import metadata  # this import takes a tenth of `la2ds --help`

    for installed in (name, *_IN_PLACE.get(name, ())):
        with suppress(metadata.PackageNotFoundError):
            note = f" ({installed})" if installed != name else ""
            return Check(name, metadata.version(installed) + note)
    return Check(name, "not installed", ok=False)


def _extras() -> str:
    """Return which optional extras (pyproject.toml) are installed; none of them is required."""
    installed = {extra: _package(package).ok for extra, package in _EXTRAS.items()}
    return ", ".join(name if ok else f"{name} (not installed)" for name, ok in installed.items())


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, look())
    except Exception as error:  # the report must show whatever is broken
        return Check(name, f"{type(error).__name__}: {error}", ok=False)


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu (no CUDA device, or a torch build without CUDA)"
    index = torch.cuda.current_device()
    memory = torch.cuda.get_device_properties(index).total_memory / 2**30
    return f"cuda: {torch.cuda.get_device_name(index)}, {memory:.0f} GiB"


def _decoder() -> str:
    """Write a clip of known frames to a file, and read it back as commands do."""
    import av
    import numpy as np

    from la2ds_cli.video.reader import probe, read_frames, write_video

    shades = (40, 120, 200)
    with tempfile.TemporaryDirectory(prefix="la2ds-doctor-") as folder:
        clip = Path(folder) / "clip.mp4"
        write_video(clip, [np.full((48, 64, 3), shade, np.uint8) for shade in shades], 10)
        codec = probe(clip).codec
        means = [frame.image.mean() for frame in read_frames(clip)]
    if len(means) != len(shades) or np.abs(np.subtract(means, shades)).max() > 10:
        read = ", ".join(f"{mean:.0f}" for mean in means)
        raise ValueError(f"wrote frames of brightness {shades}, read ({read})")
    versions = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"reads back what it wrote ({codec}, libavcodec {versions})"


def _weights() -> str:
    """Return which weights are installed, and the folder of downloaded ones.

    Raises for damaged weights and for weights missing from the package; other missing weights are
    downloaded when needed.
    """
    paths = {name: weight_files.find(entry) for name, entry in weight_files.zoo().items()}
    gone = [str(path) for path in paths.values() if path is not None and not path.is_file()]
    if gone:
        raise FileNotFoundError(f"missing from the package: {', '.join(gone)}")
    installed = [name for name, path in paths.items() if path is not None]
    return f"{', '.join(installed)}; downloaded weights are in {weight_files.weights_dir()}"
