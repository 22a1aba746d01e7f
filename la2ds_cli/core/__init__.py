"""The base of all packages: value types, skeletons, settings, the project and its files.

types, skeleton: the values that packages exchange · config, config_sections, presets/: settings ·
stored_project, project_folder, project_toml, clip, csv_tables, output_paths: the project directory
· artifact: the only module that writes arrays · errors, batch, progress, console, table: results
and messages for the user · plugins, device, ray_engine.

Imports nothing from the other packages, and nothing heavy at import time. To add a setting, add a
field with its unit to config_sections.py; the step that uses it adds it to its recipe. To add a
skeleton, add an entry to skeletons.toml, by joint name.
"""
