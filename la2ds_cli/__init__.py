"""la2ds: temporal alignment of human movement videos, from mp4 to alignment."""

__version__ = "0.1.0"
