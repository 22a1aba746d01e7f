"""The state of a project (status) and of this machine (doctor).

Imports the library and evaluation.
To add a check of the machine: a row in doctor.py. To add an artifact to `la2ds status`: an entry in
status.py that compares the recipe on disk with the current one.
"""
