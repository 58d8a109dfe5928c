"""Measurements: the engine's classes (``micro``) and the whole path. ``make bench`` runs both."""
