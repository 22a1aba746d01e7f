"""Mutated inputs for a parser, tried in forked processes: what crashes, hangs or takes a gigabyte
ends a child, not the tests."""

from __future__ import annotations

import copy
import json
import os
import random
import re
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from la2ds_cli.core.artifact import ArtifactError
from la2ds_cli.core.errors import UserError
from la2ds_cli.formats.files import PoseFileError

SECONDS, BYTES = 20, 1 << 30  # of one input; of the processor, so that others may use it, too
_WAITING = 30  # times as long by the clock: one that waits for ever takes no processor
_BATCH = 500  # inputs of one process
SAID = (UserError, PoseFileError, ArtifactError)  # what a parser may say of a file

Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Parser:
    """seed: a good file. parse: reads the file at a path, in a folder of its own, and raises one of
    SAID for what it cannot read. mutate: of the content."""

    name: str
    seed: bytes
    parse: Callable[[Path], object]
    mutate: Mutate


@dataclass(frozen=True)
class Problem:
    """What came of an input; `make(parser, number)` makes it again."""

    number: int
    said: str


def make(parser: Parser, number: int) -> bytes:
    """The input of a number; the first is the good file itself."""
    return parser.mutate(parser.seed, random.Random(number)) if number else parser.seed


def fuzz(parser: Parser, count: int, folder: Path) -> list[Problem]:
    """The problems of the inputs 0 to count - 1."""
    problems: list[Problem] = []
    start = 0
    while start < count:
        done, found = _in_child(parser, start, min(start + _BATCH, count), folder)
        problems += found
        start = done
        if len(problems) > 20:
            break
    return problems


def _in_child(parser: Parser, start: int, stop: int, folder: Path) -> tuple[int, list[Problem]]:
    """The number from which to go on, and the problems up to it."""
    log = folder / "log.txt"
    log.write_text("")
    child = os.fork()
    if child == 0:
        try:
            _work(parser, range(start, stop), folder, log)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    problems = [Problem(line["number"], line["said"]) for line in lines if "said" in line]
    if os.waitstatus_to_exitcode(status) == 0 and lines and lines[-1].get("done"):
        return stop, problems
    last = lines[-1]["number"] if lines else start
    ended = os.waitstatus_to_exitcode(status)
    slow = ended in (-signal.SIGPROF, -signal.SIGALRM)
    said = f"more than {SECONDS} s" if slow else f"the process ended: {ended}"
    return last + 1, [*problems, Problem(last, said)]


def _work(parser: Parser, numbers: range, folder: Path, log: Path) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os.fsync = lambda handle: None  # pyright: ignore
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _data_bytes() + BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    path = folder / parser.name
    with log.open("a", buffering=1) as told:

        def tell(**facts: object) -> None:
            told.write(json.dumps(facts) + "\n")

        for number in numbers:
            tell(number=number)
            if path.is_symlink() or path.exists():
                path.unlink()
            path.write_bytes(make(parser, number))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(_WAITING * SECONDS)
            try:
                parser.parse(path)
            except SAID as error:
                if not 0 < len(str(error)) < 4000:
                    tell(number=number, said=f"a message of {len(str(error))} characters")
            except BaseException:
                tell(number=number, said=traceback.format_exc()[-3000:])
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        tell(done=True)


def _data_bytes() -> int:
    """Private memory of this process that can be written to."""
    text = Path("/proc/self/status").read_text() if sys.platform == "linux" else "VmData: 0 kB"
    found = re.search(r"VmData:\s+(\d+) kB", text)
    return 1024 * int(found[1]) if found else 0


# --- mutations -----------------------------------------------------------------------------------

_NUMBERS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**64 - 1]
_TOKENS = [
    *(b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"9" * 400, b"1e-400", b"true", b"null"),
    *(b"\0\n\r\t,;\"'[]{}= "[n : n + 1] for n in range(14)),
    b"''''",
    *(b"\xff", b"\xef\xbb\xbf", "\u202e".encode(), "é".encode(), b"\x1b[2J", b"../", b"%00"),
]
NASTY = (
    *(None, True, False, -1, 0, 10**40, 2**63, 1e308, float("nan"), float("inf"), "", "NaN", "12"),
    *("é\x00", "../x", [], {}, [[]], [None] * 3, {"id": 1}, [1] * 3000, "x" * 3000),
)


def of_bytes(content: bytes, draw: random.Random) -> bytes:
    """One change or a few: of bits, bytes, numbers and pieces, more often near the beginning."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        near = draw.random() < 0.4
        at = draw.randrange(min(len(data), 200) if near else len(data))
        length = draw.choice((1, 2, 4, 8, 40, 400))
        kind = draw.randrange(9)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.randrange(256)
        elif kind == 2:
            size, order = draw.choice((1, 2, 4, 8)), draw.choice(("little", "big"))
            value = draw.choice(_NUMBERS) % (1 << 8 * size)
            data[at : at + size] = value.to_bytes(size, order)  # pyright: ignore
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length]
        elif kind == 5:
            data[at : at + draw.randrange(8)] = draw.choice(_TOKENS)
        elif kind == 6:
            data[at : at + length] = bytes(length)
        elif kind == 7:
            other = draw.randrange(len(data))
            data[at : at + length] = data[other : other + length]
        else:
            del data[at:]
    return bytes(data)


def of_bytes_in_place(content: bytes, draw: random.Random) -> bytes:
    """As of_bytes; in three of four cases of the same length, which a reader may check first."""
    data = of_bytes(content, draw)
    keeps = draw.random() < 0.75
    return (data + content[len(data) :])[: len(content)] if keeps else data


def of_json(content: bytes, draw: random.Random) -> bytes:
    """A value replaced or taken out, in one case of three bytes changed."""
    if draw.random() < 0.33:
        return of_bytes(content, draw)
    return json.dumps(changed(json.loads(content), draw)).encode()


def changed(document: Any, draw: random.Random) -> Any:
    """A document with a few of its values replaced or taken out, at every depth as often."""
    document = copy.deepcopy(document)
    for _ in range(draw.choice((1, 1, 2, 4))):
        by_depth: dict[int, list[tuple[Any, Any]]] = {}
        for depth, node, key in _places(document):
            by_depth.setdefault(depth, []).append((node, key))
        if not by_depth:
            break
        node, key = draw.choice(by_depth[draw.choice(list(by_depth))])
        if draw.random() < 0.2:
            del node[key]
        else:
            node[key] = copy.deepcopy(draw.choice(NASTY))
    return document


def _places(node: Any, depth: int = 0) -> Iterator[tuple[int, Any, Any]]:
    keys = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
    for key in keys:
        yield depth, node, key
        yield from _places(node[key], depth + 1)


def of_safetensors(content: bytes, draw: random.Random) -> bytes:
    """A change of the header, of the JSON that la2ds keeps in it, or of any bytes."""
    if draw.random() < 0.3:
        return of_bytes(content, draw)
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    if draw.random() < 0.7:
        inner = json.loads(header["__metadata__"]["la2ds"])
        header["__metadata__"]["la2ds"] = json.dumps(changed(inner, draw))
    else:
        header = changed(header, draw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]
