"""Search for colorings in PyTorch: colorings of tori under the exact loss, many at once.

`members` says what is searched for, `spectral` is the loss, `torus` the colorings, `training`
trains any number of them together, and `halving` gives the time to those that do best.
"""
