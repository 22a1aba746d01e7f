from tests.formats.conftest import project, read  # noqa: F401 (fixtures)
