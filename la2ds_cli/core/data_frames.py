"""Results as data frames of pandas, an optional package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from la2ds_cli.core.errors import optional_import


def make_data_frame(
    content: Mapping[Any, Any] | Sequence[Mapping[str, Any]], units: Mapping[str, str] | None = None
) -> Any:
    """Return a pandas.DataFrame of columns or of rows.

    Parameters
    ----------
    content: name -> values of one length; or rows, name -> value.
    units: column -> its unit, for `attrs["units"]`; None = no column has one.

    Raises
    ------
    UserError: exit 6 if pandas is not installed.
    """
    with optional_import(
        ["pandas"],
        "data frames need the package {package}, which is not installed",
        "pip install 'la2ds[pandas]'",
    ):
        import pandas
    frame = pandas.DataFrame(content)
    if units:
        frame.attrs["units"] = dict(units)
    return frame
