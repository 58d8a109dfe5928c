"""The engine's classes, each on both backends and beside what one would otherwise use."""
