"""Samples by methods that work in memory, and by repeating rows: what only they need."""
