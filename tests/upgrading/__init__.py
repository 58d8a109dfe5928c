"""A restart that keeps sessions: real processes that follow each other on their ports."""
