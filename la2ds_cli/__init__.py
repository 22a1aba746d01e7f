"""la2ds: temporal alignment of human movement videos, from mp4 to alignment.

The rooms and the flow between them: docs/architecture.md.
"""

import la2ds_models  # noqa: F401 (first: it guards the imports of packages, see its startup.py)

__version__ = "1.0.0rc1"
