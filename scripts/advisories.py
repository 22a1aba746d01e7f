#!/usr/bin/env python3
"""Known vulnerabilities of the locked packages, by a copy of the advisories on this disk.

    python scripts/advisories.py PATH [--lock FILE ...] [--accept ID ...]

PATH: advisories in the OSV format (https://ossf.github.io/osv-schema): a folder with JSON files, a
JSON file of one record or of a list of them, or the archive all.zip of the export for PyPI,
https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip. Nothing is fetched, and no archive
is unpacked. Locks are locks/la2ds.txt and locks/dev.txt unless --lock names others. --accept: an
advisory that was looked at and does not concern la2ds; say why beside the command.

Prints a line for each package and advisory, and how new the newest advisory is. Exit code 0: none;
1: some; 2: an option, a lock or the advisories cannot be read, in which case nothing was checked.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / "locks" / name for name in ("la2ds.txt", "dev.txt")]
MOST_BYTES = 16 << 20  # of a record; the longest of PyPI has some 100 kB
MOST_RECORDS = 1_000_000  # the export of November 2026 is far below
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")


class UnusableError(Exception):
    """What cannot be checked; the message is a sentence."""


@dataclass(frozen=True)
class Finding:
    package: str
    version: str
    advisory: str
    said: str

    def __str__(self) -> str:
        text = f"{self.package} {self.version}: {self.advisory}: {self.said}"
        return "".join(letter if letter.isprintable() else " " for letter in text)


# --- what is locked -------------------------------------------------------------------------------


def locked(path: Path) -> set[tuple[str, str]]:
    """Names and versions of a lock file, for all systems and Pythons."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"{path} cannot be read: {error}") from error
    pins = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line[0] in " \t#":  # hashes and remarks
            continue
        pin = _PINNED.match(line)
        if pin is None:
            raise UnusableError(f"{path} line {number} is no package with its version: {line[:60]}")
        try:
            pins.add((canonicalize_name(pin[1]), str(Version(pin[2]))))
        except InvalidVersion as error:
            raise UnusableError(f"{path} line {number}: {error}") from error
    if not pins:
        raise UnusableError(f"{path} locks no package")
    return pins


# --- advisories -----------------------------------------------------------------------------------


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a folder, a file or an archive; raises UnusableError for one that is none."""
    for count, (name, content) in enumerate(_contents(path)):
        if len(content) > MOST_BYTES or count >= MOST_RECORDS:
            raise UnusableError(f"{name} is longer than any advisory, or one of too many")
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UnusableError(f"{name} is not JSON: {error}") from error
        for record in document if isinstance(document, list) else [document]:
            if not isinstance(record, dict) or not isinstance(record.get("id"), str):
                raise UnusableError(f"{name} is not an advisory in the OSV format")
            yield record


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                with file.open("rb") as handle:
                    yield str(file), handle.read(MOST_BYTES + 1)
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".json"):
                        with archive.open(member) as handle:
                            yield f"{path}: {member.filename}", handle.read(MOST_BYTES + 1)
        else:
            with path.open("rb") as handle:
                yield str(path), handle.read(MOST_BYTES + 1)
    except (OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise UnusableError(f"{path} cannot be read: {error}") from error


def check(pins: set[tuple[str, str]], path: Path, accepted: Sequence[str]) -> list[Finding]:
    """Findings by package; prints how many advisories there were and how new they are."""
    versions: dict[str, list[str]] = {}
    for name, version in sorted(pins):
        versions.setdefault(name, []).append(version)
    findings: list[Finding] = []
    count, newest = 0, ""
    for record in records(path):
        try:
            parts = [part for part in record.get("affected", ()) if _of_pypi(part)]
            count += bool(parts)
            newest = max(newest, str(record.get("modified", "")) if parts else "")
            if record.get("withdrawn") or {record["id"], *_aliases(record)} & {*accepted}:
                continue
            for part in parts:
                name = canonicalize_name(part["package"]["name"])
                for version in versions.get(name, ()):
                    if said := _affects(part, Version(version)):
                        findings.append(Finding(name, version, _title(record), said))
        except (AttributeError, KeyError, TypeError) as error:
            raise UnusableError(f"the advisory {record['id']} is damaged: {error!r}") from error
    if not count:
        raise UnusableError(f"{path} holds no advisory about a package of PyPI")
    print(f"{len(pins)} locked versions, {count} advisories of PyPI, the newest of {newest[:10]}")
    return sorted(set(findings), key=str)


def _of_pypi(part: Any) -> bool:
    return part["package"]["ecosystem"].partition(":")[0] == "PyPI" if "package" in part else False


def _aliases(record: dict[str, Any]) -> list[str]:
    return [str(alias) for alias in record.get("aliases") or ()]


def _title(record: dict[str, Any]) -> str:
    names = ", ".join(_aliases(record)[:3])
    summary = str(record.get("summary") or record.get("details") or "no summary").splitlines()[0]
    return f"{record['id']}{f' ({names})' if names else ''}: {summary[:120]}"


def _affects(part: dict[str, Any], version: Version) -> str:
    """What mends an affected version, empty for one that is not affected; by the algorithm of the
    OSV schema. What cannot be decided counts as affected."""
    for text in part.get("versions") or ():
        if _version(text) == version:
            return _mended(part, version)
    for span in part.get("ranges") or ():
        if span["type"] != "ECOSYSTEM":  # commits, which a lock does not have
            continue
        events = [(kind, text) for event in span["events"] for kind, text in event.items()]
        if any(text != "0" and _version(text) is None for _, text in events):
            return "its versions cannot be compared, look at it"
        limits = [_version(text) for kind, text in events if kind == "limit" and text != "*"]
        if limits and not any(version < limit for limit in limits if limit is not None):
            continue
        if _inside([event for event in events if event[0] != "limit"], version):
            return _mended(part, version)
    return ""


def _inside(events: list[tuple[str, str]], version: Version) -> bool:
    """Whether a version lies in one of the spans that the events begin and end."""
    inside = False
    order = {"introduced": 0, "last_affected": 1, "fixed": 2}
    ordered = sorted(events, key=lambda event: (_at(event[1]), order[event[0]]))
    for kind, text in ordered:
        if kind == "introduced" and version >= _at(text):
            inside = True
        elif (kind == "fixed" and version >= _at(text)) or (
            kind == "last_affected" and version > _at(text)
        ):
            inside = False
    return inside


def _at(text: str) -> Version:
    return Version("0.dev0") if text == "0" else Version(text)


def _version(text: Any) -> Version | None:
    try:
        return Version(text)
    except (InvalidVersion, TypeError):
        return None


def _mended(part: dict[str, Any], version: Version) -> str:
    """The nearest version above that mends it."""
    fixed = [
        known
        for span in part.get("ranges") or ()
        if span.get("type") == "ECOSYSTEM"
        for event in span["events"]
        if (known := _version(event.get("fixed"))) is not None and known > version
    ]
    return f"mended in {min(fixed)}" if fixed else "not mended"


def main(arguments: Sequence[str] | None = None) -> int:
    description, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("path", type=Path, help="folder, file or all.zip of OSV records")
    parser.add_argument("--lock", type=Path, action="append", help="a lock file; several times")
    parser.add_argument("--accept", action="append", default=[], metavar="ID")
    options = parser.parse_args(arguments)
    try:
        pins = set().union(*(locked(path) for path in options.lock or LOCKS))
        findings = check(pins, options.path, options.accept)
    except UnusableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings" if findings else "none is known to be vulnerable")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
