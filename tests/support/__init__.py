"""Helpers of the tests that speak to the gateway from outside, over the wire protocol only."""
