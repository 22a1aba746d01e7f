from __future__ import annotations

from importlib import metadata

import pytest

from la2ds_cli.health import doctor


def test_the_decoder_check_decodes_what_it_wrote():
    assert doctor._decoder().startswith("works")


def test_a_check_that_breaks_is_a_failed_line_and_not_the_end(monkeypatch: pytest.MonkeyPatch):
    def broken() -> str:
        raise OSError("no codec")

    monkeypatch.setattr(doctor, "_decoder", broken)
    found = {check.name: check for check in doctor.examine()}
    assert found["decoder"] == doctor.Check("decoder", "OSError: no codec", ok=False)
    assert found["la2ds"].ok


def test_a_missing_package_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert doctor._package("numba") == doctor.Check("numba", "not installed", ok=False)


def test_damaged_weights_are_a_fault_and_absent_ones_are_not(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    absent = {check.name: check for check in doctor._weights()}
    assert absent["weights fasterrcnn"].ok
    assert "fetched when first used" in absent["weights fasterrcnn"].found
    assert absent["weights hrnet-demo"].found.startswith("bundled")
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").write_bytes(b"half a download")
    damaged = {check.name: check for check in doctor._weights()}
    assert not damaged["weights fasterrcnn"].ok
    assert "delete the file" in damaged["weights fasterrcnn"].found


def test_a_package_without_its_bundled_weights_is_broken(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("la2ds_models.weight_files.bundled_path", lambda entry: tmp_path / "gone")
    found = {check.name: check for check in doctor._weights()}
    assert not found["weights hrnet-demo"].ok
    assert "missing from the package" in found["weights hrnet-demo"].found
