"""The way of a message through the stages: one module per leg."""
