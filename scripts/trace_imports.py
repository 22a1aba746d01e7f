"""What packages read from the current folder, the home and the environment when they are imported,
as strace and os.environ see it:

    python scripts/trace_imports.py

writes tests/models/read_at_import.json. tests/models/test_read_at_import.py compares a new trace
with it, and traces la2ds, which must read nothing from the current folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from la2ds_models.startup import GUARDED

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests" / "models" / "read_at_import.json"
_CALL = re.compile(r'^(?:\d+ +)?(\w+)\((?:AT_FDCWD, )?(?:(\d+), )?(?:"([^"]*)")?')
# Libraries read the environment, too, by getenv, which is not seen here.
_PROGRAM = """
import os, sys
if sys.argv[1] == "guarded":
    from la2ds_models.startup import own_process
    own_process()
    import la2ds
read, original = set(), os._Environ.__getitem__
def recorded(self, name):
    read.add(name)
    return original(self, name)
os._Environ.__getitem__ = recorded
for name in sys.argv[2:]:
    __import__(name)
os._Environ.__getitem__ = original
print("\\n".join(sorted(map(str, read))))
"""


def traced(*packages: str, guarded: bool = False) -> dict[str, list[str]]:
    """What the import of packages, one after another, looks for in the current folder and at home
    (`files`, whether they are there or not) and in the environment.

    guarded: in a process of la2ds's own. Raises RuntimeError with what was said on stderr
    if the import fails.
    """
    with tempfile.TemporaryDirectory() as name:
        here, home, log = (Path(name).resolve() / part for part in ("here", "home", "log"))
        here.mkdir()
        home.mkdir()
        # Child processes, such as those that numpy asks for the machine, are left out.
        keep = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
        environment = {key: os.environ[key] for key in keep if key in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "models")])
        what = ("-e", "trace=%file,fchdir", "-s", "4096", "-o", str(log))
        done = subprocess.run(
            [
                *("strace", "-f", "--seccomp-bpf", "-qq", *what),
                *(sys.executable, "-P", "-c", _PROGRAM),
                "guarded" if guarded else "as they are",
                *packages,
            ],
            cwd=here,
            env=environment | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        files = sorted(set(_read(log.read_text("utf-8", "replace"), here, home)))
    return {"files": files, "environment": done.stdout.split()}


def _read(log: str, here: Path, home: Path) -> Iterator[str]:
    """The files of a log of strace, as ./NAME and ~/NAME."""
    folder, before = here, [here]
    for call, number, name in (
        found.groups() for found in map(_CALL.match, log.splitlines()) if found
    ):
        if call == "chdir":
            before.append(folder)
            folder = folder / name
        elif call == "fchdir":
            folder = before.pop()
        elif name and number is None:
            path = Path(os.path.normpath(folder / name))
            if path.is_relative_to(here) and path != here:
                yield f"./{path.relative_to(here)}"
            elif path.is_relative_to(home) and path != home:
                yield f"~/{path.relative_to(home)}"


def installed() -> list[str]:
    """The packages that la2ds imports, as far as they are installed; a module that only stands in
    for one in this process is not."""
    return sorted(name for name in GUARDED if PathFinder.find_spec(name) is not None)


def main() -> None:
    if shutil.which("strace") is None:
        sys.exit("strace is not installed")
    old: dict[str, Any] = json.loads(TARGET.read_text("utf-8")) if TARGET.exists() else {}
    found = old | {name: traced(name) for name in installed()}
    TARGET.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
