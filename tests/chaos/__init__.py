"""Damage on the way between clients and the gateway, and the promise that holds in spite of it."""
