"""What every room stands on: value types, skeletons, settings, the project and its files.

types, skeleton: what passes between rooms · config, config_sections, presets/: settings ·
project, project_toml, clip, csv_tables, output_paths: the project directory · artifact: the only
file that writes arrays · errors, batch, progress, console: what a user is told · plugins, device.

Imports nothing of the other rooms, and nothing heavy when it is loaded.
To add a setting: a field in config_sections.py with its unit, and the step that reads it names it
in its recipe. To add a skeleton: an entry in skeleton.py, by joint name.
"""
