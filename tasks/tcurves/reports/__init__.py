"""Reports of the studies of T-curves, made from stored records alone."""
