"""Everything people look at: figures, film strips, contact sheets, side-by-side videos and HTML
pages.

A view takes a result and writes files. The command calls the step, then the view. `figure` holds
what all figures share, `page` the base of all HTML pages, `film_strip` the pictures of frames and
joints. The other files serve one command each: alignment_*, compare_*, attempts_*, embedding_*,
pose_overlay, retrieval_sheet and sync; and report/ the HTML pages.

Imports: the library and evaluation; only demo, studio and commands import it. Matplotlib, Jinja2
and Pillow are imported inside functions.
To add a view: write a file with `write(project, result, targets, progress)`, which ends in
`figure.write_result`, and call it in the command after its step. The template of a page extends
`views/page.html`.
"""
