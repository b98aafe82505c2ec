"""First-order methods for a finite sum over a compact convex set, compiled.

    min over C of f(x) = 1/n sum_i f_i(x),   f_i(x) = sum_k loss(z_ik, y_ik)

`sums` has the sums, `oracles` the linear minimization of C, `projections` its projections in a
diagonal metric, `estimators` the estimates of gradients, `schedules` the published step sizes,
`steps` the loop of stochastic methods, `active_sets` away and pairwise steps, `accelerated` the
method that finds optima.  `reference` has the slow twins in NumPy.

Sums, sets, methods and states are named tuples of arrays and numbers, so that one compiled loop
serves all of them: a loss, a set or an estimator is a number that the loop branches on.
"""
