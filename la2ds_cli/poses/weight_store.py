"""The weight files on this machine: what there is, fetching ahead of use, and checking them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.poses.weights import fetch_weights, megabytes

if TYPE_CHECKING:
    from la2ds_models.weight_files import WeightFile


@dataclass(frozen=True)
class WeightRow:
    """One entry of the list. size: bytes, 0 = unknown. path: None = not on this machine.

    ap: COCO average precision as published, 0 = none. sha256: the digest or the start of it.
    """

    name: str
    kind: str
    file: str
    size: int
    ap: float
    licence: str
    trained_on: str
    sha256: str
    urls: tuple[str, ...]
    path: Path | None


@dataclass(frozen=True)
class WeightState:
    """Outcome of checking one entry; part: bytes of a download that broke off."""

    name: str
    state: Literal["ok", "missing", "damaged"]
    path: Path
    sha256: str = ""
    part: int = 0
    hint: str = ""


def listing() -> list[WeightRow]:
    """Every known weight file; says whether it is here without reading it."""
    from la2ds_models.weight_files import present, zoo

    rows = []
    for entry in zoo().values():
        path = present(entry)
        rows.append(
            WeightRow(
                name=entry.name,
                kind=entry.kind,
                file=Path(entry.file).name,
                size=path.stat().st_size if path else entry.size,
                ap=entry.ap,
                licence=entry.licence,
                trained_on=entry.trained_on,
                sha256=entry.sha256,
                urls=entry.urls,
                path=path,
            )
        )
    return rows


def pull(
    names: Sequence[str], progress: Progress | None = None, *, offline: bool = False
) -> list[ItemResult]:
    """Fetch the weights `names`, or see that they are here; one result per name, in order.

    Raises UserError: an unknown name (exit 2, before anything is fetched), a folder that is full
    or cannot be written (exit 7; what is finished is kept).
    """
    entries = _entries(names)
    return [_pull(entry, progress or Progress(), offline) for entry in entries]


def _pull(entry: WeightFile, progress: Progress, offline: bool) -> ItemResult:
    from la2ds_models.weight_files import WeightError, find

    try:
        found = find(entry)
    except WeightError:
        found = None  # damaged: fetch_weights moves it aside, or says why it cannot
    if found:
        return ItemResult(entry.name, "", "cached", message=str(found))
    try:
        path = fetch_weights(entry.name, progress, offline=offline)
    except UserError as error:
        if error.exit_code != ExitCode.ENVIRONMENT:
            raise
        return ItemResult(
            entry.name, "", "failed", code="W001", message=error.message, hint=error.hint
        )
    return ItemResult(entry.name, "", "ok", message=str(path))


def pull_exit_code(results: Sequence[ItemResult]) -> ExitCode:
    """0 when every name is here, 8 when some are not, 6 when none is."""
    usable = sum(result.usable for result in results)
    if usable == len(results):
        return ExitCode.OK
    return ExitCode.PARTIAL if usable else ExitCode.ENVIRONMENT


def verify(names: Sequence[str] = ()) -> list[WeightState]:
    """Hash the files of `names` (none = all) on this machine.

    A wrong file in torch's cache is somebody else's, never used, and counts as missing.
    Raises UserError (exit 2) for an unknown name.
    """
    return [_verify(entry) for entry in _entries(names or _known())]


def _verify(entry: WeightFile) -> WeightState:
    from la2ds_models.weight_files import WeightsDamaged, digest, find, own_path

    own = own_path(entry)
    again = f"la2ds models pull {entry.name} fetches it again"
    try:
        path = find(entry)
    except WeightsDamaged:
        return WeightState(entry.name, "damaged", own, digest(own), hint=again)
    if path is not None and entry.bundled:
        found = digest(path) if path.is_file() else ""
        if not found or not found.startswith(entry.sha256):
            return WeightState(entry.name, "damaged", path, found, hint="install la2ds again")
    if path is not None:
        return WeightState(entry.name, "ok", path, digest(path))
    part = own.with_name(f"{own.name}.part")
    begun = part.stat().st_size if part.is_file() else 0
    return WeightState(entry.name, "missing", own, part=begun)


def state_in_words(state: WeightState) -> str:
    """The path, what is wrong with it, and what to do."""
    if state.state == "missing":
        return f"not here but {megabytes(state.part)} of it" if state.part else "not here"
    return f"{state.path}; {state.hint}" if state.hint else str(state.path)


def _known() -> list[str]:
    from la2ds_models.weight_files import zoo

    return list(zoo())


def _entries(names: Iterable[str]) -> list[WeightFile]:
    """The entries of `names`, each once; UserError (exit 2) for a name that is not in the list."""
    from la2ds_models.weight_files import zoo

    known = zoo()
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UserError(
                f"no weights are called '{name}'", hint=f"{guess}known: {', '.join(known)}"
            )
    return [known[name] for name in dict.fromkeys(names)]
