"""Two aligned clips on one clock: side by side, B alone, or as a list of cuts."""
