"""Tables between the two marks of a page of docs/results."""

from __future__ import annotations

import re
from pathlib import Path

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def put_into(page: Path, tables: str) -> None:
    """Replace what stands between the two marks."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", "utf-8")


def below(heading: str, text: str) -> str:
    """The page `text` as a part of another one, under `heading` instead of its title."""
    body = re.sub(r"^##", "####", text.partition("\n")[2].strip(), flags=re.MULTILINE)
    return f"### {heading}\n\n{body}"
