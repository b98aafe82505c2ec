"""Monomial bases, and reductions of Gram problems to smaller ones.

`monomial_bases` holds full, half Newton and even-square-root bases and repair; `rules` names them;
`reductions` and `scaling` undo what they do; `sparsity` finds blocks.
"""
