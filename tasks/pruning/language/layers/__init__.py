"""One layer: statistics of its inputs, masks, and the best weights for a mask."""
