"""Step: pages for a browser, one offline HTML file each, of a pair of clips and of a project.

*.html, *.css and *.js of this folder are the templates; page.py puts them together.
"""
