"""Text as tokens: windows, batches, perplexity, and a tokenizer of bytes."""
