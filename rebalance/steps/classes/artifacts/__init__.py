"""Pilots, designs and models of many classes, as objects and as what lies on disk.

Their label names classes instead of a positive value, and their format is one number higher than
that of two classes, so that older versions say what they lack.
"""
