"""Weight files of la2ds_models, with its exceptions turned into errors a user can act on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress

if TYPE_CHECKING:
    from la2ds_models.weight_files import WeightError, WeightFile

_reporter = Progress()


@contextmanager
def report_to(progress: Progress) -> Iterator[None]:
    """Tell `progress` of downloads that `fetch_weights` starts inside the block."""
    global _reporter
    before, _reporter = _reporter, progress
    try:
        yield
    finally:
        _reporter = before


def fetch_weights(name: str, progress: Progress | None = None, *, offline: bool = False) -> Path:
    """Local path of the weights of a zoo entry, downloaded where they are missing.

    progress: told size, licence and source before a download begins, then the bytes.

    Raises UserError: exit 6 naming file, hash, sources, target path and the alternatives; exit 7
    where the folder is full or cannot be written.
    """
    from la2ds_models.weight_files import WeightError, fetch

    progress = progress or _reporter
    bar = _ByteBar(name, progress)
    try:
        return fetch(name, bar, progress.note, offline=offline)
    except WeightError as error:
        raise _user_error(name, error) from error
    finally:
        bar.end()


def weights_identity(name: str) -> str:
    """The name and the start of the sha256 of a zoo entry, or all of it for a bundled file.

    Reads no large file. Eight digits, which every publisher states, so that the identity stays
    the same when more of a hash becomes known.
    """
    from la2ds_models.weight_files import bundled_path, zoo

    entry = zoo()[name]
    digest = artifact.file_digest(bundled_path(entry)) if entry.bundled else entry.sha256[:8]
    return f"{name}:{digest}"


def megabytes(size: int) -> str:
    """A file size for people; `size unknown` for 0."""
    return f"{size / 1e6:.1f} MB" if size else "size unknown"


class _ByteBar:
    """A download's (bytes done, bytes in all) on a Progress; announces it at the first call."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._done = -1

    def __call__(self, done: int, total: int) -> None:
        if self._done < 0:
            self._announce(done, total)
        if self._done < 0 or done < self._done:  # the first call, or a server that began again
            self._progress.begin(self._name, total or None)
            self._done = 0
        self._progress.advance(done - self._done)
        self._done = done

    def _announce(self, done: int, total: int) -> None:
        from la2ds_models.weight_files import own_path, zoo

        entry = zoo()[self._name]
        begun = f", {megabytes(done)} of them here already" if done else ""
        self._progress.note(
            f"fetching {entry.name}: {megabytes(total or entry.size)}{begun}, "
            f"licence {entry.licence}, trained on {entry.trained_on}; to {own_path(entry)}"
        )

    def end(self) -> None:
        if self._done >= 0:
            self._progress.end()


def _user_error(name: str, error: WeightError) -> UserError:
    from la2ds_models.weight_files import WeightsNotStored, zoo

    if isinstance(error, WeightsNotStored):
        return UserError(str(error), hint=error.advice, exit_code=ExitCode.STORAGE)
    hint = missing_hint(zoo()[name])
    return UserError(str(error), hint=hint, exit_code=ExitCode.ENVIRONMENT)


def missing_hint(entry: WeightFile) -> str:
    """Every way to go on without the file of an entry, a line each."""
    from la2ds_models.weight_files import own_path, sources

    lines = [f"la2ds models pull {entry.name}, here or on a machine with network; or by hand:"]
    lines += [f"  file    {entry.file}", f"  sha256  {entry.sha256}"]
    lines += _labelled("from", sources(entry))
    lines += _labelled("to", [shlex.quote(str(own_path(entry)))])
    if entry.kind == "frames":
        lines.append("or weights of your own: --set model.rgb_weights=FILE.pth; or --input joints")
        return "\n".join(lines)
    lines.append(
        "or what pip alone brings: pip install 'la2ds[mediapipe]', then "
        "--pose mediapipe --detector full-frame"
    )
    own = "--detector FILE.onnx" if entry.kind == "detector" else "--pose FILE.onnx"
    lines.append(f"or a model of your own: {own}")
    return "\n".join(lines)


def _labelled(label: str, values: tuple[str, ...] | list[str]) -> list[str]:
    return [f"  {label if i == 0 else '':<6}  {value}" for i, value in enumerate(values)]
