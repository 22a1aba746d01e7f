"""LiteRT announces nothing on the error stream, which otherwise stays as it is."""

from __future__ import annotations

import os

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.poses.tflite_model import TfliteModel
from la2ds_models.weight_files import present, zoo


def test_opening_a_network_says_nothing(capfd: pytest.CaptureFixture[str], tmp_path) -> None:
    path = present(zoo()["blazepose-detector"])
    if path is None:
        pytest.skip("needs the weights: la2ds models pull blazepose-detector")
    TfliteModel(path, 224, [(1, 2254, 12), (1, 2254, 1)])
    (tmp_path / "damaged.tflite").write_bytes(b"no network")
    with pytest.raises(UserError):
        TfliteModel(tmp_path / "damaged.tflite", 224, [])
    os.write(2, b"news\n")
    assert capfd.readouterr().err == "news\n"
