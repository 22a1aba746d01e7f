"""Networks of la2ds. Needs torch only; never imports la2ds_cli."""

from la2ds_models.startup import install

install()  # before anything imports torch
