"""Pruning of language models: masks from calibration, weights for a mask, retraining of few.

For one layer with weights W (rows: outputs, columns: inputs) and calibration inputs X (one row per
token) everything rests on the Gram matrix G = X'X.  The error of weights V in place of W is

    |X (W - V)'|^2 = sum over rows of (w - v) G (w - v)'.

References
----------
Zimmer, Andoni, Spiegel, Pokutta, PERP, arXiv:2312.15230.
"""
