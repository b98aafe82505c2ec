"""Learned monomial bases: candidates, Gram graphs, a network that scores them, calibration.

A predicted basis is a proposal: whether a polynomial is a sum of squares over it is decided by
exact arithmetic elsewhere. This package itself loads nothing; `network`, `training`, `predictor`,
`evaluation`, `run` and the autoregressive baseline load PyTorch, `config` and `plan` do not.
"""
