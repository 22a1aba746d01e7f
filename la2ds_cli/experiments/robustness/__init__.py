"""What missing limbs and noisy joints cost (paper sec. 4.2.4 and 4.2.5, Tables 7 and 8).

corruption changes a pose sequence; corrupted shows a whole project through it; sweep measures a
run at several strengths beside the raw pose.
"""
