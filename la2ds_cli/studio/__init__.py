"""The studio: a local page over a project, where what the commands do is done by hand and eye.

server.py puts it together; guard.py decides who may ask; jobs.py runs long work in a process of its
own, worker.py; each page is a file with its routes, a template and a script of the same name.
"""
