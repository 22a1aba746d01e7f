"""The contract of every alignment method, and how methods are found."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment.methods import align_features, get_method, method_names
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.time_axis import TimeAxis
from tests.processes import run_python
from tests.told import refused

NAMES = method_names()


def walk(length: int, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(length, 5)), axis=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (7, 1), (30, 45)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_method_returns_valid_pairs(name, rows, columns, dtype) -> None:
    a, b = walk(rows, 1).astype(dtype), walk(columns, 2).astype(dtype)
    before = a.copy(), b.copy()
    path = align_features(name, a, b, AlignConfig())
    assert path.dtype == np.int64
    assert set(path[:, 0]) == set(range(rows))
    assert ((path[:, 1] >= 0) & (path[:, 1] < columns)).all()
    assert path.tolist() == sorted(path.tolist())
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


def test_unknown_name_gets_a_suggestion() -> None:
    with refused(ExitCode.USAGE) as caught:
        get_method("dwt")
    assert "did you mean 'dtw'?" in caught.value.hint


RETURNED = {
    "number": "3.5",
    "fractions": "[[0.5, 1.0]]",
    "outside": "[[0, 0], [2, 4]]",  # of 3 and 4 frames
    "backwards": "[[1, 0], [0, 1]]",
}


OF_TIMES = """
import numpy as np

def align(a, b, config, axes):
    share = axes[0].seconds / axes[0].span * axes[1].span
    return np.stack([np.arange(len(a)), np.rint(axes[1].rows_at(share)).astype(int)], axis=1)
"""


def test_a_dotted_path_is_a_method(tmp_path, monkeypatch) -> None:
    package = tmp_path / "own_alignment"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text(
        "import numpy as np\n\ndef align(a, b, config):\n    return np.zeros((1, 2), int)\n"
    )
    (package / "empty.py").write_text("")
    (package / "clock.py").write_text(OF_TIMES)
    for name, value in RETURNED.items():
        (package / f"{name}.py").write_text(f"def align(a, b, config):\n    return {value}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    a, b = walk(3, 0), walk(4, 0)
    assert align_features("own_alignment.first", a, b, AlignConfig()).tolist() == [[0, 0]]
    with pytest.raises(UserError, match="no function align"):
        get_method("own_alignment.empty")
    # B's second frame is shown after 2 of 8 s.
    axes, clock = (TimeAxis.even(3), TimeAxis(np.array([0, 2.0, 8, 9]), 1.0)), "own_alignment.clock"
    assert align_features(clock, a, b, AlignConfig(), axes)[:, 1].tolist() == [0, 1, 3]
    assert align_features(clock, a, b, AlignConfig())[:, 1].tolist() == [0, 2, 3]  # evenly
    with pytest.raises(UserError, match="no module"):
        get_method("own_alignment.absent")
    for name in RETURNED:
        with refused(ExitCode.USAGE, "integer pairs"):
            align_features(f"own_alignment.{name}", a, b, AlignConfig())


def test_listing_imports_no_method() -> None:
    code = (
        "import sys; from la2ds_cli.alignment.methods import method_names; method_names();"
        "loaded = [m for m in sys.modules if m == 'numba' or m.startswith("
        "'la2ds_cli.alignment.methods.')]; sys.exit(str(loaded) if loaded else 0)"
    )
    run_python("-c", code)
