"""Methods for choosing a basis, side by side on the same polynomials.

`run` makes the trials, `written` has the bases of the published encoder-decoder, `models` says what
lies beyond the training of the models, `summary` counts them with intervals, `figures` draws them.
"""
