"""A store of frames: LanceDB tables in a folder or in an object store, shared by several projects.

Each kind of features has its own table, so that vectors of two networks are never mixed. A store
may be untrusted: a table is used only if it has the columns, types and metadata that la2ds writes.
From top to bottom: the query of a store, the store, and its errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from la2ds_cli.core.errors import ExitCode, UserError, first_line, optional_import
from la2ds_cli.retrieval.clip_rows import ClipFeatures

VERSION = 2  # of the tables; also increased when paced_movement returns other values
_FACTS = b"la2ds"  # the one key of a table's metadata


@dataclass(frozen=True)
class StoreQuery:
    """The store to search instead of the project.

    uri: a folder, or a location in an object store.
    groups, phases: if any are named, a frame must belong to one of them.
    approximate: search the table's index instead of all frames.
    """

    uri: str
    groups: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    approximate: bool = False

    @property
    def condition(self) -> str | None:
        """The condition in SQL; None if every frame is searched."""
        parts = [
            f"`{column}` IN ({', '.join(map(quoted, names))})"
            for column, names in (("group", self.groups), ("phase", self.phases))
            if names
        ]
        return " AND ".join(parts) or None


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Store:
    """A connection to the store at `uri`."""

    uri: str
    connection: Any

    @classmethod
    def open(cls, uri: str) -> Store:
        """Connect to the store. Raises UserError: exit 2 for the address of a service, 6 without
        lancedb, or if the store needs the network and la2ds is offline."""
        from la2ds_models.weight_files import offline_reason

        if uri.startswith("db://"):
            raise UserError(
                f"{uri} is a service, not a location for files",
                hint="name a folder, or a location in an object store such as s3://BUCKET/frames",
            )
        if "://" in uri and (reason := offline_reason()):
            raise UserError(f"{uri} cannot be used: {reason}", exit_code=ExitCode.ENVIRONMENT)
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

    def table(self, features: ClipFeatures, width: int) -> Any:
        """The table for features of this kind and width, which is created if it does not exist.
        Raises UserError: exit 3 for a table that la2ds did not create, 7 if it cannot be
        written."""
        parts = features.kind, features.skeleton, features.model[:16], f"v{VERSION}"
        name = "-".join(filter(None, parts))
        schema = _schema(width, features.model)
        table = self._opened(name)
        if table is None:
            table = self._made(name, schema)
        # Other metadata of a schema can name functions for lancedb to call.
        if not table.schema.equals(schema, check_metadata=True):
            raise foreign(self.uri, name)
        return table

    def _made(self, name: str, schema: Any) -> Any:
        """A new table, or the one that another project has created meanwhile. In a folder, a lock
        lets only one project at a time create a table: in lancedb, the second would replace the
        first."""
        with reported(self.uri, name, ExitCode.STORAGE), self._lock():
            if (table := self._opened(name)) is None:
                table = self.connection.create_table(name, schema=schema)
        return table

    def _lock(self) -> AbstractContextManager[Any]:
        """One process at a time, in a folder; an object store has no locks."""
        if "://" in self.uri:
            return nullcontext()
        path = Path(self.uri) / ".la2ds.lock"
        if path.is_symlink():  # a lock opens its file for writing
            raise _link(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def _opened(self, name: str) -> Any:
        """The table; None if it does not exist."""
        if "://" not in self.uri:
            folder = Path(self.uri) / f"{name}.lance"
            for path in (folder, *(folder.iterdir() if folder.is_dir() else ())):
                if path.is_symlink():  # a write would follow it
                    raise _link(path)
        with reported(self.uri, name):
            if name not in self._names():
                return None
            return self.connection.open_table(name)

    def _names(self) -> Iterator[str]:
        """Names of all tables, fetched page by page."""
        page = self.connection.list_tables()
        yield from page.tables
        while page.page_token:
            page = self.connection.list_tables(page_token=page.page_token)
            yield from page.tables


def _schema(width: int, model: str) -> Any:
    """The columns of a table. model: digest of the weights, which applies to all rows."""
    import pyarrow as pa

    text, seconds = pa.string(), pa.float64()
    required = {
        "project": text,
        "clip": text,
        "digest": text,
        "row": pa.int64(),
        "frame": pa.int64(),
        "time": seconds,
        "start": seconds,
        "end": seconds,
        "vector": pa.list_(pa.float32(), width),
    }
    fields = [pa.field(name, kind, nullable=False) for name, kind in required.items()]
    fields += [pa.field(name, text) for name in ("group", "phase")]
    return pa.schema(fields, metadata={_FACTS: json.dumps({"model": model})})


# --- errors ----------------------------------------------------------------------------------


def _link(path: Path) -> UserError:
    return UserError(
        f"{path} is a link", hint="replace it by a file or folder", exit_code=ExitCode.MISMATCH
    )


def _delete(uri: str, name: str) -> str:
    where = f"{uri.rstrip('/')}/{name}.lance" if name else uri
    return f"delete {where}; every project writes its clips to it again"


def foreign(uri: str, name: str) -> UserError:
    """The error for a table with contents that la2ds cannot have written."""
    return UserError(
        f"the table {name} of the store {uri} is damaged or was not written by la2ds",
        hint=_delete(uri, name),
        exit_code=ExitCode.UNREADABLE,
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
        # without the lines of its source, such as /root/.cargo/registry/src/lance/dataset.rs:805:32
        said = re.sub(r"[,:]?\s*\S+\.rs:\d+(:\d+)?", "", first_line(error))
        written = exit_code == ExitCode.STORAGE
        raise UserError(
            f"the store {uri} cannot be {'written' if written else 'read'}: {said}",
            hint="clips already written are kept: run the same command again"
            if written
            else f"check its name and your permission; if it is damaged, {_delete(uri, table)}",
            exit_code=exit_code,
        ) from error
