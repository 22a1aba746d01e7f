"""The studio: a local page over a project, where what the commands do is done by hand and eye.

server.py puts it together; guard.py decides who may ask; jobs.py runs long work in a process of its
own, which is a command of la2ds; each page is a file with its routes, a template and a script of
the same name.

Imports: every room below it but experiments and demo; Starlette and uvicorn.

To add a page: a file with its handlers and ROUTES, which server.py takes in; templates/NAME.html,
which extends frame.html; static/NAME.js; and its entry in the navigation of pages.py.
"""
