"""The studio: a local web page for a project, to do by hand and eye what the commands do.

server.py assembles it; guard.py decides which requests are allowed; saving.py refuses a change of
what is no longer as its page shows it; jobs.py runs long work as la2ds commands in separate
processes. Each page has a file with its routes, a template and a script of the same name;
held_pairs.py keeps the pairs of the page of a pair.

Imports any package below it except experiments and demo; uses Starlette and uvicorn.

To add a page: a file with its handlers and ROUTES, which server.py includes; templates/NAME.html,
which extends frame.html; static/NAME.js; and its entry in the navigation of pages.py. A
route that replaces or removes what somebody has set is a Saves route.
"""
