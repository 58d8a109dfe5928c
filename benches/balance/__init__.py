"""What the choice of an instance, its limit and its ejection bring: measured side by side, and drawn."""
