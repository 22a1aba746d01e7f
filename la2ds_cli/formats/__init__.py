"""Pose files of other tools and data sets, read into a project and written from one.

Imports core, video and poses.
To add a format: importers/__init__.py and exporters/__init__.py are the recipes.
"""
