"""Conic programs as sparse matrices (`forms`), and the solvers that take them (`solvers`)."""
