"""Dense alignment of two clips: methods, path arithmetic, confidence, figure and step.

`methods/` holds one file per alignment method, `align.py` the step that a command calls.
"""
