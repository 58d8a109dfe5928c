"""One gateway out of many: the directory of who lives where, and what each may do. Imported for ``[cluster]``."""
