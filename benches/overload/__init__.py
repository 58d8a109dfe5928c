"""Goodput where more is asked for than can be done, with the rules of the queue and without."""
