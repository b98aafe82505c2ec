"""Files that leave and enter: checkpoint folders with masks, packed weights, adapters of others."""
