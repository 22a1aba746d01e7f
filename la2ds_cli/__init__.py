"""la2ds: temporal alignment of human movement videos, from mp4 to alignment.

The rooms and the flow between them: docs/architecture.md.
"""

import la2ds_models  # noqa: F401 (first: it guards the imports of packages, see its startup.py)
from la2ds_cli.core.old_names import install

__version__ = "0.2.0.dev0"

install()
