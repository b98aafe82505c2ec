"""What is trained in place of a whole network, and how: subsets, low-rank adapters, parts."""
