"""Three nodes, their directory and what lies between them, each damaged in every way that a seed draws."""
