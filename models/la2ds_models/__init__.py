"""Networks of la2ds. Needs torch only; never imports la2ds_cli."""
