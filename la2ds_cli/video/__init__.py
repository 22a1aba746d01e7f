"""Reading and writing of videos and images: decoding, colour, orientation, image sequences.

reader: frames and their times, the only decoder that other packages call · container: files that
FFmpeg opens and writes · media_files: which files count as videos, and folders of images ·
frame_conversion: decoded frames as upright 8-bit sRGB · playing: files and cameras in real time.

Imports only core.
To add a kind of file, add its endings to media_files.py, and a frame source to reader.py.
"""
