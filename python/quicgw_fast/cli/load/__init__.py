"""The work of ``quicgw bench``: a plan, the compiled run that does it, and what is shown of it.

What sends and measures is compiled (``rust/bench``) and runs in a thread of its own, without the interpreter's lock.
Here is what goes around it: the name's address, the certificates, signals, progress, and the report.
"""
