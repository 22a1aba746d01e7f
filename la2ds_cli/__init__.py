"""la2ds: temporal alignment of human movement videos, from mp4 to alignment.

The rooms and the flow between them: docs/architecture.md.
"""

__version__ = "1.0.0rc1"
