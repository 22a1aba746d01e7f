"""Networks of la2ds, and how its processes start. Needs torch only; never imports la2ds_cli."""
