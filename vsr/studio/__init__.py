"""The studio: a page on this machine to open videos, try settings on their frames, and watch a queue of runs.

Whoever holds the token of the address works in one folder and nowhere else. What is previewed is computed by the code
of a run; what is queued is a command line in a process of its own, which the same command finishes without the studio.

``places``  the folder, and names in it        ``choices`` what the page asks for, as settings and as a command
``guard``   who may ask                        ``preview`` one frame as a run restores it
``sources`` an open video, frame by frame      ``jobs``    what is to be run, one file each
``queue``   runs jobs, one at a time           ``app``     the addresses            ``serve`` the server
"""
