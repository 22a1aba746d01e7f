"""Text of any origin (file names, ids, labels, messages of libraries), made harmless for its
destination: a terminal, a cell of a spreadsheet, a path in a table."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

# Control characters, those that turn the direction of the text or end its line, and bytes of file
# names that are no UTF-8: what could move the cursor, recolour or forge a line, or stop the output.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text of any origin on one line of a terminal: unsafe characters become escapes such as
    `\\x1b` or `\\n`."""
    return UNSAFE.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


# --- cells of CSV tables -------------------------------------------------------------------------

# Where a cell may begin: programs disagree on the separator, and some break a cell at its lines.
_START = r"(?:^|(?<=[;\t\r\n]))"
_FORMULA = r"(?='*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"  # also of full width
_UNMARKED = re.compile(_START + _FORMULA)
_MARK = re.compile(_START + "'" + _FORMULA)


def inert(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula, or for several cells with one, with an
    apostrophe in front of it, as people type it there; numbers and other text unchanged.
    `read_rows` removes it again."""
    if not isinstance(cell, str) or _is_number(cell):
        return cell
    return _UNMARKED.sub("'", cell)


def without_mark(cell: str) -> str:
    """Inverse of `inert` for text."""
    return _MARK.sub("", cell)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- paths as cells: a file name may hold any byte but 0 and the separator -----------------------

_FILE = "file:"


def cell_of_path(path: str) -> str:
    """A path as written in a table: itself, or `file:` and its bytes percent-encoded if it contains
    what a table cannot (bytes that are not UTF-8, line breaks and other control characters) or
    begins like a formula. `path_of_cell` is the inverse."""
    plain = path.isprintable() and not path.startswith((_FILE, "=", "+", "-", "@", "'"))
    return path if plain else _FILE + quote_from_bytes(os.fsencode(path))


def path_of_cell(text: str) -> str:
    """Inverse of cell_of_path; raises ValueError for a path that contains a null character."""
    path = text
    if text.startswith(_FILE):
        path = os.fsdecode(unquote_to_bytes(text.removeprefix(_FILE)))
    if "\0" in path:
        raise ValueError("path contains a null character")
    return path
