"""Polynomial optimization: lower bounds, semialgebraic sets, Lyapunov functions.

`bounds`, `constrained` and `lyapunov` answer questions; `programs`, `systems` and `relaxation` pose
and solve what they ask; `putinar`, `recession` and `minimizers` read the answers.
"""
