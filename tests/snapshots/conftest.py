from __future__ import annotations

import pytest

from tests.snapshots.chain import Chain, run_chain


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Every command, run once for all tests here."""
    return run_chain(tmp_path_factory.mktemp("chain"))
