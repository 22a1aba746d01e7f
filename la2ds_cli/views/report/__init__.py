"""Pages for a browser, one offline HTML file each: of a pair of clips, and of a project.

*.html are Jinja2 templates (see views/page.py); *.css and *.js are their styles and scripts.
"""
