"""The studio: local web pages for a project, to do by hand and eye what the commands do.

server.py assembles it; guard.py decides which requests are allowed; saving.py refuses changes from
an outdated page; jobs.py runs long work as la2ds commands in separate processes. Each page has a
file with its routes, a template and a script of the same name; held_pairs.py keeps recent pairs in
memory.

Imports any package below it except experiments and demo; uses Starlette and uvicorn.

To add a page: a file with its handlers and ROUTES, which server.py includes; templates/NAME.html,
which extends frame.html; static/NAME.js; and an entry in the navigation of pages.py. A route that
replaces or removes what people have set is a Saves route.
"""
