"""Certificates of colorings: exact objects, their files, and the proof that no color conflicts."""
