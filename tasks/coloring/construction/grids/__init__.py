"""Grids made finer and repaired: conflict graphs, PartialCol, exchanges, CP-SAT on windows."""
