"""Start a process that la2ds owns, unlike the process of a program that imports it.

A command, a job of the studio and a worker of Ray call `own_process`. From then on nothing is
loaded, run or used as settings because it lies in the current folder, which is a folder of clips
and may come from a stranger. Many packages look there: a library whose search path has an empty
part (such as one that PyTorch needs for CUDA) loads any `libcuda.so.1`, numba reads
`.numba_config.yaml`, matplotlib `matplotlibrc`, and `python -m` and `python -c` import from there.
Therefore

* the packages of GUARDED are imported while the process is in FOLDER, which has no such files, and
  then returns to its folder;
* other settings for figures are ignored, also by child processes;
* a child process runs in FOLDER and imports nothing from there (`python`, `own_folder`).

The current folder belongs to the whole process: while a package is imported, other threads are in
FOLDER, too, so threads need absolute paths. That is why a program that imports la2ds as a library
is left alone: there `own_folder` does nothing, and no import is guarded. An entry of sys.path that
is the current folder, as in an interactive interpreter, is the user's choice, and so is everything
imported before `own_process`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).resolve().parent / "started_in"
FIGURES = FOLDER / "figures.rc"

# What la2ds imports, and what those packages import that is large or reads settings.
GUARDED = frozenset(
    (
        *("ai_edge_litert", "anyio", "av", "cv2", "filelock", "google", "h5py"),
        *("huggingface_hub", "jinja2", "joblib", "lance_namespace", "lancedb", "llvmlite"),
        *("markupsafe", "matplotlib", "mmcv", "mmdet", "mmengine", "mmpose", "numba", "numpy"),
        *("nvidia", "onnxruntime", "pandas"),
        *("PIL", "platformdirs", "pyarrow", "ray", "rich"),
        *("safetensors", "scipy", "sklearn", "sleap_io", "spm1d", "starlette"),
        *("threadpoolctl", "timm", "tomli_w", "torch", "torchvision", "triton"),
        *("typer", "ultralytics", "uvicorn", "xtcocotools", "yaml", "zstandard"),
    )
)

# Folders and lists of folders: an empty part of them means the current folder.
_LISTS = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
_FOLDERS = ("LA2DS_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TORCH_HOME", "XDG_CACHE_HOME")


def is_own_process() -> bool:
    """Return whether la2ds owns this process, and may change its folder and environment."""
    return _own


def own_process() -> None:
    """Set up a process that la2ds owns, and the environment that its children inherit.

    Call it before the first large import; a second call does nothing.
    """
    global _own
    if _own:
        return
    _own = True
    _open_standard_streams()
    # OpenMP threads spin while they wait for each other. If other programs use the cores, too, that
    # made pose extraction 18 times slower than sleeping. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["PYTHONSAFEPATH"] = "1"  # as -P, for the children of other packages as well
    os.environ["MATPLOTLIBRC"] = str(FIGURES)
    for name in (*_LISTS, *_FOLDERS):
        if text := os.environ.get(name):
            parts = text.split(os.pathsep) if name in _LISTS else [text]
            os.environ[name] = os.pathsep.join(map(os.path.abspath, filter(None, parts)))
    # Before the finder of files, and after those of others, such as pytest's for its tests.
    files = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
    sys.meta_path.insert(files, _Guard())
    _own_numba_settings()


def _open_standard_streams() -> None:
    """Open missing standard streams (`2>&-`) on the null device; otherwise the next file that is
    opened would replace them, and messages would be written into it."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
    for name, handle in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(handle, "w", encoding="utf-8", closefd=False))


def python(*arguments: str) -> Sequence[str]:
    """Return the command of a child process of this Python, without its current folder in
    sys.path; start it in FOLDER."""
    return (sys.executable, "-P", *arguments)


@contextmanager
def own_folder() -> Iterator[None]:
    """Make FOLDER the current folder of the process meanwhile; can be nested, and entered by
    several threads. Does nothing in a process that la2ds does not own."""
    global _users, _before
    if not _own:
        yield
        return
    with _changing:
        if not _users:
            _before = _leave()
        _users += 1
    depth = getattr(_thread, "depth", 0)
    _thread.depth = depth + 1
    try:
        yield
    finally:
        _thread.depth = depth
        with _changing:
            _users -= 1
            if not _users:
                _return(_before)
                _own_numba_settings()
                _own_library_paths()


_own = False
_thread = threading.local()  # depth: how often it has entered FOLDER
_changing = threading.Lock()
_users = 0
_before: int | str | None = None


def _leave() -> int | str | None:
    """Enter FOLDER, and return the folder before, open or by name, None if it no longer exists."""
    for relative in (part for part in sys.path if part and not Path(part).is_absolute()):
        import pkgutil

        # Python remembers the target of such an entry at the first look, which must not be here.
        pkgutil.get_importer(relative)
    before: int | str | None = None
    try:
        if hasattr(os, "fchdir"):  # open: a name may be moved or deleted meanwhile
            before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
        else:
            before = os.getcwd()  # noqa: PTH109
    except OSError:
        pass
    os.chdir(FOLDER)
    return before


def _return(before: int | str | None) -> None:
    if isinstance(before, int):
        try:
            os.fchdir(before)
        finally:
            os.close(before)
    elif before is not None:
        os.chdir(before)


class _Guard:
    """Finds the packages of GUARDED as Python does; their code runs in FOLDER."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if getattr(_thread, "depth", 0) or fullname.partition(".")[0] not in GUARDED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        loader: Any = None if spec is None else spec.loader
        if type(loader) in (SourceFileLoader, ExtensionFileLoader):
            # A loader belongs to one module. Libraries are loaded when a module is created.
            loader.create_module = _in_own_folder(loader.create_module)
            loader.exec_module = _in_own_folder(loader.exec_module)
        return spec


def _in_own_folder(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(argument: Any) -> Any:
        with own_folder():
            return step(argument)

    return run


def _own_library_paths() -> None:
    # OpenCV adds its own folder to the library path of child processes, and leaves an empty part.
    for name in ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH"):
        if (text := os.environ.get(name)) is not None:
            parts = [part for part in text.split(os.pathsep) if part]
            os.environ[name] = os.pathsep.join(parts)
            if not parts:
                del os.environ[name]


def _own_numba_settings() -> None:
    # numba reads its settings again whenever it compiles, from the current folder at that time.
    if config := sys.modules.get("numba.core.config"):
        config._config_fname = str(FOLDER / "numba.yaml")  # pyright: ignore[reportAttributeAccessIssue]
