"""Trying the gateway out: embedded upstream services, and the demonstration that uses them."""
