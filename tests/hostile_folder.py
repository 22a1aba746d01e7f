"""Files that a stranger could put beside clips, each of which leaves a mark outside if a process
loads, runs or obeys it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Modules that la2ds, its packages or its child processes import by name.
_MODULES = (
    *("pip", "sitecustomize", "usercustomize", "numpy", "json", "signal", "ctypes", "tomllib"),
    *("la2ds", "la2ds_cli", "la2ds_models", "torch", "triton", "numba", "yaml", "scipy", "cv2"),
    *("matplotlib", "planted_backend", "PIL", "av", "faiss", "swigfaiss", "swigfaiss_avx2"),
    *("onnxruntime", "safetensors", "lancedb", "ray", "sleap_io", "ultralytics"),
    *("mmengine", "mmpose", "mmdet", "mmcv", "uvicorn", "starlette", "typer", "rich"),
)
# Libraries that the wheels of PyTorch look for, or need by name.
_LIBRARIES = ("libcuda.so.1", "libcusparseLt.so.0", "libgomp.so.1", "librt.so.1", "libnuma.so.1")


@dataclass(frozen=True)
class Stranger:
    """marks: the folder in which every planted file that is used leaves one. site: a folder of
    packages that stands for those of CUDA. asked: what its library leaves when it is loaded."""

    marks: Path
    site: Path
    asked: Path

    def seen(self) -> list[str]:
        return sorted(path.name for path in self.marks.iterdir())

    def plant(self, folder: Path) -> None:
        """Put the files into a folder; the libraries only if `compilable`."""
        for name in _MODULES:
            said = f"open({str(self.marks / f'python-{name}')!r}, 'w').close()\n"
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(said)
            (folder / name / "__main__.py").write_text(said)
        for name in ("pip", "sitecustomize", "numpy"):
            (folder / f"{name}.py").write_text((folder / name / "__init__.py").read_text())
        chrome, cache = self.marks / "numba-chrome-trace", self.marks / "numba-cache"
        numba = f"chrome_trace: {chrome}\ncache_dir: {cache}\nenable_profiling: 1\n"
        figures = "backend: module://planted_backend\ntext.usetex: True\nfigure.dpi: 30000\n"
        for name, text in {
            ".numba_config.yaml": numba,
            "matplotlibrc": figures,
            "pip.conf": "[global]\nrequire-virtualenv = true\nlog = " + str(self.marks / "pip-log"),
            ".condarc": "channels: [file:///nowhere]\n",
            "settings.json": '{"sync": true, "runs_dir": "/nowhere"}\n',
            "pyvenv.cfg": "home = /nowhere\n",
            "default_runtime.py": (folder / "mmengine" / "__init__.py").read_text(),
        }.items():
            (folder / name).write_text(text)
        if compilable():
            for name in _LIBRARIES:
                _compile(folder / name, self.marks / f"library-{name}")

    def plant_package(self) -> None:
        """A package that PyTorch loads whenever it is imported, with a library that looks for
        libcuda as libcusparseLt of the package nvidia-cusparselt does: along `$ORIGIN:`."""
        (self.site / "planted-1.dist-info").mkdir(parents=True)
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: planted\nVersion: 1\n",
            "entry_points.txt": "[torch.backends]\nplanted = needy:load\n",
        }.items():
            (self.site / "planted-1.dist-info" / name).write_text(text)
        library = self.site / "libneedy.so"
        _compile(library, self.asked, "-Wl,--enable-new-dtags,-rpath,$ORIGIN:", loads=_LIBRARIES[0])
        load = f"import ctypes\ndef load():\n    ctypes.CDLL({str(library)!r})\n"
        (self.site / "needy.py").write_text(load)


def compilable() -> bool:
    """Whether this machine can make the libraries: those of Linux, by gcc."""
    return shutil.which("gcc") is not None and Path("/proc/self/exe").exists()


def _compile(library: Path, mark: Path, *options: str, loads: str = "") -> None:
    """A library that leaves a mark when it is loaded, and then loads another one."""
    then = f'dlopen("{loads}", RTLD_LAZY);' if loads else ""
    source = f"""
        #include <dlfcn.h>
        #include <stdio.h>
        __attribute__((constructor)) static void loaded(void) {{
            FILE *mark = fopen("{mark}", "w");
            if (mark) fclose(mark);
            {then}
        }}"""
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), *options, "-ldl"]
    subprocess.run(command, input=source, text=True, check=True)
