"""Colorings made of colorings: grids refined, repaired, and turned into polygons."""
