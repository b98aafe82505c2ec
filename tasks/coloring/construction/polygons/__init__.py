"""Polygons made of grids: outlines, tiles that are moved until distances hold, exact tilings."""
