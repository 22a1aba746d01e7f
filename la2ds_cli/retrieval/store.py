"""A store of frames: LanceDB tables in a folder or in an object store, shared by several projects.

Each kind of features has its own table, so that vectors of two networks, or of two weights of the
movement, are never mixed. A store may be untrusted: a table is used only if it has the columns,
types and metadata that la2ds writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from la2ds_cli.core.errors import (
    ExitCode,
    Mismatch,
    Unavailable,
    Unreadable,
    UserError,
    first_line,
    optional_import,
)
from la2ds_cli.retrieval.clip_rows import SearchFeatures
from la2ds_models.file_lock import system_lock
from la2ds_models.weight_files import offline_reason

VERSION = 4  # of the tables; also increased when searched_movement returns other values


def quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Store:
    """A connection to the store at `uri`."""

    uri: str
    connection: Any

    @classmethod
    def open(cls, uri: str) -> Store:
        """Connect to the store; raises UserError (exit 6) without lancedb, or if the store needs
        the network and la2ds is offline."""
        if "://" in uri and (reason := offline_reason()):
            raise Unavailable(f"{uri} cannot be used: {reason}")
        with optional_import(
            ["lancedb"],
            "a store of frames needs the package lancedb, which is not installed",
            "pip install 'la2ds[lance]'",
            # pyarrow 26 asks for numpy 2 without declaring it, so that pip puts it beside numpy 1.
            repair="with a numpy older than 2, such as mmpose needs: pip install 'pyarrow<26'; "
            "else: pip install --force-reinstall 'la2ds[lance]'",
        ):
            import lancedb
        with reported(uri):
            return cls(uri, lancedb.connect(uri))

    def table(self, features: SearchFeatures, width: int) -> Any:
        """Return the table for features of this kind and width, created if it does not exist.

        Raises UserError for a table that la2ds did not create (exit 3), and if it cannot be written
        (exit 7).
        """
        weight = f"movement{features.weight!r}" if features.weight else ""
        parts = features.kind, features.skeleton, features.model[:16], weight, f"v{VERSION}"
        name = "-".join(filter(None, parts))
        schema = _schema(width, features.model)
        if "://" in self.uri:
            with reported(self.uri, name):
                table = self.connection.create_table(name, schema=schema, exist_ok=True)
        else:
            table = self._in_folder(name, schema)
        # Other metadata of a schema can name functions for lancedb to call.
        if not table.schema.equals(schema, check_metadata=True):
            raise foreign(self.uri, name)
        return table

    def _in_folder(self, name: str, schema: Any) -> Any:
        """Return the table in a folder, created under a lock: in lancedb, a second process would
        replace the table of the first."""
        folder, lock = Path(self.uri) / f"{name}.lance", Path(self.uri) / ".la2ds.lock"
        for path in (lock, folder, *(folder.iterdir() if folder.is_dir() else ())):
            if path.is_symlink():  # a write would follow it
                raise Mismatch(f"{path} is a link", hint="replace it by a file or folder")
        with reported(self.uri, name, ExitCode.STORAGE):
            lock.parent.mkdir(parents=True, exist_ok=True)
            with system_lock(lock):
                if not folder.is_dir():
                    return self.connection.create_table(name, schema=schema)
        with reported(self.uri, name):
            return self.connection.open_table(name)


def _schema(width: int, model: str) -> Any:
    """Return the columns of a table. model: digest of the weights, the same for all rows."""
    import pyarrow as pa

    text, seconds = pa.string(), pa.float64()
    required = {
        "project": text,
        "clip": text,
        "digest": text,
        "row": pa.int64(),
        "time": seconds,
        "start": seconds,
        "end": seconds,
        "vector": pa.list_(pa.float32(), width),
    }
    fields = [pa.field(name, kind, nullable=False) for name, kind in required.items()]
    fields.append(pa.field("phase", text))
    return pa.schema(fields, metadata={b"la2ds": json.dumps({"model": model})})


# --- errors ----------------------------------------------------------------------------------


def _delete(uri: str, name: str) -> str:
    where = f"{uri.rstrip('/')}/{name}.lance" if name else uri
    return f"delete {where}; every project writes its clips to it again"


def foreign(uri: str, name: str) -> UserError:
    """Return the error for a table with contents that la2ds cannot have written."""
    return Unreadable(
        f"the table {name} of the store {uri} is damaged or was not written by la2ds",
        hint=_delete(uri, name),
    )


@contextmanager
def reported(
    uri: str, table: str = "", exit_code: ExitCode = ExitCode.UNREADABLE
) -> Iterator[None]:
    """Convert what lancedb raises (OSError, RuntimeError, ValueError and errors of pyarrow) to a
    UserError."""
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # its Rust code panics on damaged files
        if not isinstance(error, Exception) and not panic:
            raise
        # without places in its source, such as /root/.cargo/registry/src/lance/dataset.rs:805:32
        reason = re.sub(r"[,:]?\s*\S+\.rs:\d+(:\d+)?", "", first_line(error))
        written = exit_code == ExitCode.STORAGE
        raise UserError(
            f"the store {uri} cannot be {'written' if written else 'read'}: {reason}",
            hint="clips already written are kept: run the same command again"
            if written
            else f"check its name and your permission; if it is damaged, {_delete(uri, table)}",
            exit_code=exit_code,
        ) from error
