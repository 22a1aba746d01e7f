"""The offline HTML page of a pair of clips.

*.html are Jinja2 templates (see views/page.py); *.css and *.js are their styles and scripts.
"""
