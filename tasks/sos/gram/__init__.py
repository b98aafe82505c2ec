"""Gram problems (`problem`) and their numerical solution.

`interior` is the method of this project, `facial` reduces singular problems, `batches` solves many
at once, and `numerics` chooses; `positivity` decides positive definiteness exactly.
"""
