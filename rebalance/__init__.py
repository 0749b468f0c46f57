"""Nonuniform negative sampling for rare classes, with probabilities true for the population."""

__version__ = "0.1.0"
