"""Gram problems (`problem`, `entries`) and their numerical solution.

`interior` is the method of this project, `cuts` finds interior points of large problems faster,
`facial` reduces singular problems, `batches` solves many at once, and `numerics` chooses;
`positivity` decides positive definiteness exactly.
"""
