"""Adaptive Frank-Wolfe methods (arXiv:2009.14114)."""
