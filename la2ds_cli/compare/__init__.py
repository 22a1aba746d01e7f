"""Where and when one clip differs from another after alignment, for a coach and a trainee.

`compare.compare` is the step; it aligns, measures and returns a CompareResult. `attempts` compares
several clips with one reference. Pure (arrays in, arrays out) are `viewpoint` (which side a clip is
filmed from), `differences` (angles along an alignment, and how far they can be trusted),
`facing_gaps` (what an alignment leaves out of both), `findings` (parts of the movement, the
differences that are reported, and what is not judged), `tempo`, and `trend` (what changes over
attempts); `examples` measures how unusual a clip is beside good ones.

Imports: core, poses, features and alignment. It draws and writes nothing; views/compare_* do.
To add a measure: give it a file or a section here, a field of CompareResult with its key in
`to_json`, a sentence in `result`, and a table in views/compare_page.html.
"""
