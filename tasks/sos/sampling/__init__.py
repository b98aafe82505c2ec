"""Random polynomials whose status is known by construction."""
