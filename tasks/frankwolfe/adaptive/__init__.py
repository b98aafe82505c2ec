"""Adaptive Frank-Wolfe methods beside their rivals, on problems whose optima are known.

`names`, `sources` and `problems` say what is minimized (a table, a loss and a region), `methods`
what a step is, `items` and `plan` what there is to do; `run` does it, and `verify` checks the
optima.  `schema`, `results`, `report` and `figures` are about the rows.  The compiled loops are in
`gpu.constrained`.
"""
