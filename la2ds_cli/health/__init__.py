"""Whether things are as they should be: a project (status) and this machine (doctor).

Imports core to labels; nothing but views, commands and experiments imports it.
To add a check of the machine: a row in doctor.py. To add an artifact to `la2ds status`: an entry in
status.py that compares the recipe on disk with the one that would be written today.
"""
