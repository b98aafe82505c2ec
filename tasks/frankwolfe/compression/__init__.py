"""The study `compression-aware`: networks trained once, then compressed without retraining."""
