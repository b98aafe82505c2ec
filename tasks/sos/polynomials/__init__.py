"""Exact sparse polynomials over Q: arithmetic, text, files.

`polynomial` is the type, `parsing` reads texts and SymPy, `files` reads and writes many.
"""

from tasks.sos.polynomials.polynomial import Polynomial, rational

__all__ = ["Polynomial", "rational"]
