"""Everything that depends on codecs: decoding, colour, orientation, image sequences, writing.

reader: frames and their times, the only decoder that other rooms call · container: files that
FFmpeg opens and writes · media_files: which files count as videos, and folders of images ·
frame_conversion: decoded frames as upright 8-bit sRGB · playing: files and cameras while they play.

Imports only core.
To add a kind of file: its endings in media_files.py, and a source of frames that reader.py chooses.
"""
