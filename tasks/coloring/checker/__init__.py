"""The second checker of certificates of colorings, in the standard library alone.

It is written from docs/coloring_certificates.md and imports nothing else of the project.  It
decides in integers and fractions: no floating-point number is looked at.  `verification` is its
front; the rest is private.  `python -m tasks.coloring.checker FILE...` checks files.
"""

from tasks.coloring.checker.verdicts import Verdict
from tasks.coloring.checker.verification import check

__all__ = ["Verdict", "check"]
