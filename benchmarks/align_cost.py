"""CPU seconds of one call of `la2ds align`, from the start of the process to its end.

    python benchmarks/align_cost.py PROJECT ... [--rounds 7] [--beside CHECKOUT]

Two clips of each project are aligned, once with a JSON file and once with a picture as the result.
Their poses must be there; what the first call computes and keeps (embeddings, repetitions, compiled
Python) is not counted. --beside: another checkout of la2ds, which takes turns with this one.
User and system time of the whole process, which other work on the machine disturbs least. The
limit: a process that imports numpy and Typer, and does nothing.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from la2ds_cli.core.project import Project

HERE = Path(__file__).parents[1]
START = "from la2ds_cli.main import main; main()"


NOTHING = "import numpy, typer"


def cpu_seconds(checkout: Path, code: str, arguments: list[str], compiled: Path) -> float:
    """Of one process, which must succeed. compiled: folder of compiled Python, as installed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "models")]),
        "PYTHONPYCACHEPREFIX": str(compiled),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--beside", type=Path)
    chosen = parser.parse_args()
    checkouts = {"here": HERE} | ({"beside": chosen.beside} if chosen.beside else {})
    taken: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        compiled, nothing = Path(folder) / "compiled", []
        for turn in range(-1, chosen.rounds):
            nothing.append(cpu_seconds(HERE, NOTHING, [], compiled))
            for path in chosen.projects:
                posed = Project.open(path).posed()
                a, b = (v.id for v in Project.open(path).videos()[:8:7] if v.id in posed)
                for kind in ("json", "png"):
                    out = str(Path(folder) / f"path.{kind}")
                    arguments = ["align", a, b, "--project", str(path), "--out", out]
                    for name, checkout in checkouts.items():
                        seconds = cpu_seconds(checkout, START, arguments, compiled)
                        if turn >= 0:
                            taken.setdefault((path.name, kind, name), []).append(seconds)
    taken["", "limit", "nothing"] = nothing[1:]
    for (project, kind, name), seconds in taken.items():
        print(
            f"{project:20} {kind:5} {name:7} least {min(seconds):.2f} median {median(seconds):.2f}"
        )


if __name__ == "__main__":
    main()
