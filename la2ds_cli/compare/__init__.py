"""Where and when one clip differs from another after alignment, for a coach and a trainee.

`compare.compare` is the step. What is pure (arrays in, arrays out) knows no project: `view`
(which side a clip is filmed from), `noise` (how far an angle can be trusted), `differences`
(angles along an alignment), `spans`, `tempo`, `findings` (what is said of them), `anomaly` (how
unusual a clip is beside good ones). `sheet`, `page` and `tables` write.
"""
