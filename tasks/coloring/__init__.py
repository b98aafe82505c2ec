"""Colorings of the plane and of space that avoid distances."""
