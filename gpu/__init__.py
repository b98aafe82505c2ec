"""HOW FAST: kernels on plain arrays."""
