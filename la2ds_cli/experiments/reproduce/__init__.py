"""The ablations of the paper (Tables 4-6) and its robustness tests (7 and 8) on any project."""
