"""Colorings made of colorings: grids refined and repaired, and polygons made of grids."""
