"""Estimates of gradients, and steps that adapt, on networks at equal numbers of gradients."""
