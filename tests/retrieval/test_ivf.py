"""Inverted lists of faiss: the exact answer when all are probed, the rules, and a true recall."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.retrieval import ivf
from la2ds_cli.retrieval.search import Frames, Limits, exact_finder, search

faiss = pytest.importorskip("faiss", reason="the extra faiss is not installed")

CLIPS, LENGTH, WIDTH = 30, 100, 8


@pytest.fixture(scope="module")
def frames() -> Frames:
    random = np.random.default_rng(4)
    value = random.normal(size=(CLIPS * LENGTH, WIDTH)).astype(np.float32) + np.float32(100)
    time = np.tile(np.arange(LENGTH) / 20, CLIPS)
    return Frames(value, time, np.arange(CLIPS + 1) * LENGTH)


@pytest.fixture(scope="module")
def file(frames: Frames) -> ivf.InvertedFile:
    return ivf.build_inverted_file(frames.value)


def test_number_of_lists() -> None:
    assert [ivf.list_count(n) for n in (1, 80, 1000, 10_000, 10**6)] == [1, 2, 25, 100, 1000]


@pytest.mark.parametrize("limits", [Limits(7, 7, 0.0), Limits(7, 1, 0.5), Limits(40, 2, 0.25)])
def test_all_lists_give_the_exact_answer(
    frames: Frames, file: ivf.InvertedFile, limits: Limits
) -> None:
    rows = [0, 17, 99]
    found = search(frames, file.finder(file.lists), 3, rows, limits)
    expected = search(frames, exact_finder(frames.value), 3, rows, limits)
    for (row, distance), (other, other_distance) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row, other)
        np.testing.assert_array_equal(distance, other_distance)


def test_limits_hold_and_every_list_is_filled_as_far_as_there_are_frames(
    frames: Frames, file: ivf.InvertedFile
) -> None:
    # 29 other clips give one frame each: far more lists than one have to be looked through.
    ((row, distance),) = search(frames, file.finder(1), 0, [5], Limits(29, 1, 0.25))
    assert sorted(frames.clip_of(row)) == list(range(1, CLIPS))
    assert (np.diff(distance) >= 0).all()
    ((row, _),) = search(frames, file.finder(1), 0, [5], Limits(60, 3, 1.0))
    for clip in range(1, CLIPS):
        times = np.sort(frames.time[row[frames.clip_of(row) == clip]])
        assert len(times) <= 3
        assert (np.diff(times) >= 1 - 1e-6).all()
    assert len(row) == 60
    ((row, _),) = search(frames, file.finder(1), 0, [5], Limits(99, 1, 0.25))
    assert len(row) == CLIPS - 1


def test_a_finder_returns_as_many_as_it_is_asked_for_and_none_of_the_own(
    frames: Frames, file: ivf.InvertedFile
) -> None:
    query = frames.value[200:203]
    for count in (1, 50, len(frames.value)):
        found = file.finder(1)(query, (200, 300), count)
        assert found.shape == (3, min(count, len(frames.value) - 100))
        assert not ((found >= 200) & (found < 300)).any()
        assert all(len(set(line.tolist())) == len(line) for line in found)


def test_the_recall_is_the_true_one(frames: Frames, file: ivf.InvertedFile) -> None:
    sample = ivf.draw_sample(frames)
    assert len(sample.row) == 200
    assert len(set(sample.row.tolist())) == 200
    k, hits = 7, 0
    for row in sample.row:
        gap = np.linalg.norm(frames.value.astype(np.float64) - frames.value[row], axis=1)
        gap[row // LENGTH * LENGTH : row // LENGTH * LENGTH + LENGTH] = np.inf
        nearest = set(np.argsort(gap, kind="stable")[:k].tolist())
        own = (row // LENGTH * LENGTH, row // LENGTH * LENGTH + LENGTH)
        hits += len(nearest & set(file.finder(1)(frames.value[[row]], own, k)[0].tolist()))
    expected = hits / (k * 200)
    assert 0.05 < expected < 0.95  # one list of 54 is too few for data without clusters
    assert ivf.recall(frames, file.finder(1), sample, k) == pytest.approx(expected)
    assert ivf.recall(frames, file.finder(file.lists), sample, k) == 1.0
    assert ivf.recall(frames, file.finder(file.lists), sample, ivf.TRUTH) == 1.0


def test_recall_with_fewer_frames_than_the_sample_asks_for() -> None:
    value = np.arange(6, dtype=np.float32)[:, None]
    frames = Frames(value, np.arange(6.0), np.array([0, 2, 6]))
    sample = ivf.draw_sample(frames)
    assert sample.row.tolist() == [0, 1, 2, 3, 4, 5]
    assert sample.nearest[0, :5].tolist() == [2, 3, 4, 5, -1]
    assert sample.nearest[5, :3].tolist() == [1, 0, -1]
    assert ivf.recall(frames, exact_finder(value), sample, 7) == 1.0


def test_bytes_come_back_and_others_are_refused(frames: Frames, file: ivf.InvertedFile) -> None:
    again = ivf.InvertedFile.from_array(file.to_array(), file.mean)
    query = frames.value[:4]
    first, second = (f.finder()(query, (0, LENGTH), 9) for f in (file, again))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="not an"):
        ivf.InvertedFile.from_array(file.to_array()[:-100], file.mean)
    flat = faiss.serialize_index(faiss.IndexFlatL2(WIDTH))
    with pytest.raises(ValueError, match="not an inverted file"):
        ivf.InvertedFile.from_array(flat, file.mean)


def test_settings_of_faiss_are_put_back(frames: Frames) -> None:
    before = faiss.cvar.distance_compute_blas_threshold, faiss.omp_get_max_threads()
    with ivf._settings():
        assert faiss.cvar.distance_compute_blas_threshold == 800
    ivf.build_inverted_file(frames.value[:200])
    assert (faiss.cvar.distance_compute_blas_threshold, faiss.omp_get_max_threads()) == before


def test_without_faiss_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match="faiss-cpu") as caught:
        ivf.check_faiss()
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "la2ds[faiss]" in caught.value.hint
