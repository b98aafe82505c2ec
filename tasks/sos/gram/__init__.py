"""Gram problems (`problem`, `entries`) and their numerical solution.

`completion` finds matrices of low rank and `definite` positive definite ones, fast; `interior`
decides whether there are any, `facial` reduces singular problems, `batches` solves many at once,
and `numerics` chooses; `positivity` decides positive definiteness exactly.
"""
