"""One gateway out of many: the directory of who lives where, and what each may do by it.

What speaks to other gateways (``peering``) needs no directory, nor the client of one: so nothing is imported here.
"""
