"""How much later one recording of a performance starts than another: a lag, not a warp.

find_offsets: the step, from clips to the clocks of all recordings, and two recordings as an
alignment, to be shown in step · pair_offset: the lag of two, to a fraction of a frame, how sure it
is, and the other lags that fit · lags: the joints that both show as signals, and how well they fit
at every lag · offset_result: sentences and files.

Imports core, poses, features and alignment; only the app imports it.
To add evidence of one performance: a field of pair_offset.Fit, and its weight in its evidence.
"""
