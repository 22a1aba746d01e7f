from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.poses.chunks import Partial


def chunk(n: int) -> dict[str, np.ndarray]:
    return {"box": np.full((n, 5), n, np.float32), "time": np.arange(n) / 25}


def numbers(partial: Partial, **inputs: str) -> list[int]:
    return [len(c["box"]) for c in partial.stage("detect", **inputs).done]


def begun(folder: Path, every: float) -> Partial:
    """A clip of which five chunks are done, one second of work each."""
    clock = iter(range(100))
    partial = Partial(folder, "key", every, lambda: float(next(clock)))
    stage = partial.stage("detect")
    for n in range(1, 6):
        stage.add(chunk(n))
    return partial


def test_a_later_run_finds_what_is_done(tmp_path: Path) -> None:
    begun(tmp_path / "clip", every=2)
    (first, second, third, fourth) = Partial(tmp_path / "clip", "key").stage("detect").done
    np.testing.assert_array_equal(third["box"], chunk(3)["box"])
    np.testing.assert_array_equal(third["time"], chunk(3)["time"])
    assert [len(c["time"]) for c in (first, second, fourth)] == [1, 2, 4]


def test_a_short_clip_writes_nothing(tmp_path: Path) -> None:
    begun(tmp_path / "clip", every=100)
    assert not (tmp_path / "clip").exists()


def test_a_run_that_ends_writes_the_rest(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "clip", "key", 100)
    stage = partial.stage("detect")
    stage.add(chunk(1))
    stage.flush()
    assert numbers(Partial(tmp_path / "clip", "key")) == [1]


def test_going_on_from_what_is_done(tmp_path: Path) -> None:
    begun(tmp_path / "clip", every=2)
    again = Partial(tmp_path / "clip", "key", 100)
    stage = again.stage("detect")
    assert len(stage.done) == 4
    stage.add(chunk(5))
    stage.flush()
    assert numbers(Partial(tmp_path / "clip", "key")) == [1, 2, 3, 4, 5]


def test_work_under_other_settings_is_not_taken(tmp_path: Path) -> None:
    begun(tmp_path / "clip", every=2)
    assert numbers(Partial(tmp_path / "clip", "another key")) == []
    assert numbers(Partial(tmp_path / "clip", "key"), inputs="other boxes") == []


def test_a_damaged_or_missing_piece_ends_what_is_taken(tmp_path: Path) -> None:
    begun(tmp_path / "clip", every=2)
    first, second = sorted((tmp_path / "clip").iterdir())
    second.write_bytes(second.read_bytes()[:50])
    assert numbers(Partial(tmp_path / "clip", "key")) == [1, 2]
    first.unlink()
    assert numbers(Partial(tmp_path / "clip", "key")) == []


def test_a_clip_that_is_done_leaves_nothing(tmp_path: Path) -> None:
    begun(tmp_path / "clip", every=2).clear()
    assert not (tmp_path / "clip").exists()
