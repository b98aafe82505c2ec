"""Few trained parameters for a pruned language model: adapters, subsets, retraining, blocks."""
