"""Colorings and runs that tests of several parts of the field use are in modules of this folder."""
