"""Pilots, designs and models as objects, and as what lies on disk.

A pilot travels inside a sample's design, and a design inside a model, so that each later step needs
nothing but the file that it is given.
"""
