"""Networks of la2ds, and the start of its processes. Needs torch only; never imports la2ds_cli."""
