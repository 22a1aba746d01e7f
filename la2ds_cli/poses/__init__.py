"""Raw video to poses: people are found, followed, one is chosen, its joints are estimated."""
