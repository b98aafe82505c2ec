"""Methods for choosing a basis, side by side on the same polynomials.

`run` makes the trials, `summary` counts them with intervals, `figures` draws them.
"""
