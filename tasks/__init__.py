"""THE SCIENCE: pure functions from Arrow records to Arrow records."""
