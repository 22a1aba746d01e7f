"""Where and when one clip differs from another after alignment, for a coach and a trainee.

`compare_clips.compare` is the step; it aligns, measures and returns a CompareResult. `attempts`
compares several clips with one reference, and says what changes over them. These modules are pure
(arrays in, arrays out): `viewpoint` (the side from which a clip is filmed), `judged_moments` (which
moments can be judged at all), `differences` (angles along an alignment, and how reliable they are)
and `findings` (parts of the movement, the differences that are reported, what is not judged, and
tempo).

Imports: core, poses, features and alignment. It draws and writes nothing; views/compare_files and
views/attempts_files do.
To add a measure, give it a file or a section here, a field of CompareResult with its key in
`to_json`, and a sentence in `compare`.
"""
