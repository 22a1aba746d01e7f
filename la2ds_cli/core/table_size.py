"""Check the size of a CSV table in its bytes, before any row is parsed.

A limit of bytes alone allows tables that take minutes and gigabytes: a table of 64 MB may have 30
million rows, or one row of 60 million cells.
"""

from __future__ import annotations

from typing import BinaryIO

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 20  # bytes


def check_table_size(stream: BinaryIO, most_rows: int, most_cells: int, delimiter: str) -> None:
    """Check the number of lines and cells of a table, and go back to its beginning.

    Raises ValueError with the limit that is exceeded.
    """
    line_feeds = returns = cells = 0
    last = 0  # bytes since the last line end
    while block := stream.read(_BLOCK):
        line_feeds, returns = line_feeds + block.count(b"\n"), returns + block.count(b"\r")
        cells += block.count(delimiter.encode())
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        last = len(block) - 1 - end if end >= 0 else last + len(block)
        lines = max(line_feeds, returns)
        if lines > most_rows + 1:  # 1: the header
            raise ValueError(f"it has more than {most_rows:,} rows")
        if cells + lines > most_cells:
            raise ValueError(f"it has more than {most_cells:,} cells")
        if last > _LONGEST_LINE:
            raise ValueError(f"it has a row of more than {_LONGEST_LINE:,} bytes")
    stream.seek(0)
