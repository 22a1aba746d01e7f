"""Everything that knows a codec: decoding, colour, orientation, image sequences, writing.

reader: frames and their times, the only decoder that other rooms call · container: files that
FFmpeg opens · image_sequence: folders of images and animated WebP · frame_conversion,
orientation: decoded frames as upright 8-bit sRGB · media_files: which files count as videos ·
writer: videos written whole or not at all.

Imports core alone.
To add a kind of file: its endings in media_files.py and a source of frames that reader.py chooses.
"""
