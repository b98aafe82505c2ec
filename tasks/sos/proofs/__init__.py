"""From numbers to exact statements.

`rounding` proves sums of squares, with `zeros` and `refinement` where Gram matrices are singular;
`refutation` separates from the cone; `negativity` finds negative points.
"""
