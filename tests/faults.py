"""Operations on files that fail on purpose: `with Faults(at=3) as faults:` lets the third one that
concerns `root` raise an error of the system.

Counted are: opening a file for writing, every write, fsync, rename, making and removing a file or a
folder, every read by Python, and every read of a video by its decoder. A write that fails has put
half of its bytes into the file. Readers in C that open files by name (safetensors, ONNX) are not
reached.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import threading
from pathlib import Path
from typing import Any

import av
import pytest

KINDS = (errno.EIO, errno.ENOSPC, errno.EACCES)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Faults:
    """operations: what was done, in order: `write videos.csv`. at: the number of the one that
    fails, from 1; 0 = none. failed: it, or empty. number: of the error; reads fail with EIO."""

    def __init__(self, root: Path, at: int = 0, number: int = errno.EIO) -> None:
        self.root = root.resolve()
        self.at = at
        self.number = number
        self.operations: list[str] = []
        self.failed = ""
        self._patch = pytest.MonkeyPatch()
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}  # open handles

    def __enter__(self) -> Faults:
        open_file, open_handle, open_video = io.open, os.open, av.open

        def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            name = self._name(file)
            if name is None or "+" in mode:
                return open_file(file, mode, *rest, **named)
            return self._open(open_file, name, file, mode, rest, named)

        def handle(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            name = self._name(path)
            if name is not None and flags & _WRITES:
                self.count("create", name, path)
            elif name is not None and flags & getattr(os, "O_NONBLOCK", 0):  # regular_file
                self.count("read: open", name, path)
            result = open_handle(path, flags, *rest, **named)
            if name is not None:
                self._names[result] = name
            return result

        def video(file: Any, mode: Any = "r", *rest: Any, **named: Any) -> Any:
            path = str(file).removeprefix("file:")
            name = self._name(path)
            if name is not None and mode == "r":
                return open_video(_Reader(self, name, path), mode, *rest, **named)
            return open_video(file, mode, *rest, **named)

        for module in (io, builtins):
            self._patch.setattr(module, "open", opened)
        self._patch.setattr(os, "open", handle)
        self._patch.setattr(av, "open", video)
        for name in ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir", "chmod"):
            self._patch.setattr(os, name, self._counting(name, getattr(os, name)))
        return self

    def __exit__(self, *raised: object) -> None:
        self._patch.undo()

    def count(self, kind: str, name: str, path: Any = None) -> None:
        """Note an operation, or raise the error where it is the one to fail. path: in the error, as
        the system has it for names but not for open files."""
        with self._lock:
            self.operations.append(f"{kind} {name}")
            if len(self.operations) != self.at:
                return
            self.failed = self.operations[-1]
        number = errno.EIO if kind.startswith("read") else self.number
        self.fail(number, *([] if path is None else [os.fspath(path)]))

    def fail(self, number: int, *path: str) -> None:
        """What becomes of the operation that is to fail."""
        raise OSError(number, os.strerror(number), *path)

    def _name(self, file: Any) -> str | None:
        """What a path or a handle is called in `operations`; None outside the root."""
        if isinstance(file, int):
            return self._names.get(file)
        path = Path(os.fsdecode(file)).absolute()
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else None

    def _counting(self, kind: str, function: Any) -> Any:
        def counted(path: Any, *rest: Any, **named: Any) -> Any:
            name = self._name(path) if named.get("dir_fd") is None else None
            if name is not None:
                self.count(kind, name, None if isinstance(path, int) else path)
            return function(path, *rest, **named)

        return counted

    def _open(self, real: Any, name: str, file: Any, mode: str, rest: Any, named: Any) -> Any:
        writes = not set("wax").isdisjoint(mode)
        path = None if isinstance(file, int) else file
        if path is not None:
            self.count("create" if writes else "read: open", name, path)
        raw = _Raw(self, name, file, "".join(sorted(set(mode) & set("rwax"))))
        buffering = rest[0] if rest else named.get("buffering", -1)
        if buffering == 0:
            return raw
        binary = io.BufferedWriter(raw) if writes else io.BufferedReader(raw)
        if "b" in mode:
            return binary
        keys = ("encoding", "errors", "newline")
        text = dict(zip(keys, rest[1:], strict=False)) | {k: named[k] for k in keys if k in named}
        return io.TextIOWrapper(binary, **text)


class _Raw(io.FileIO):
    """A file whose reads and writes are counted."""

    def __init__(self, faults: Faults, name: str, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self._faults, self._called = faults, name
        faults._names[self.fileno()] = name

    def write(self, data: Any) -> int:
        if len(self._faults.operations) + 1 == self._faults.at:
            super().write(memoryview(data)[: len(data) // 2])
        self._faults.count("write", self._called)
        return super().write(data)

    def readinto(self, buffer: Any) -> int:
        self._faults.count("read", self._called)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._faults.count("read", self._called)
        return super().readall()


class _Reader:
    """What PyAV reads a video from instead of its name."""

    def __init__(self, faults: Faults, name: str, path: str) -> None:
        self._file = io.FileIO(path)
        self._faults, self._called, self.name = faults, name, path
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int) -> bytes:
        self._faults.count("read by the decoder", self._called)
        return self._file.read(size)
