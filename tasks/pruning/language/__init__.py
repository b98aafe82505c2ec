"""Pruning of language models: masks from calibration, weights for a mask, retraining of few.

For one layer with weights W (rows: outputs, columns: inputs) and calibration inputs X (one row per
token) everything rests on the Gram matrix G = X'X.  The error of weights V in place of W is

    |X (W - V)'|^2 = sum over rows of (w - v) G (w - v)'.

============  ====================================================================================
`layers`      one layer: statistics, masks, the best weights for a mask, bounds
`models`      folders of Hugging Face and GGUF, structure, blocks, memory
`texts`       tokens, windows, perplexity
`adapters`    what is trained in place of everything: subsets, low rank, parts of blocks
`files`       checkpoint folders with masks, packed weights, adapters of peft
`making`      the models of a run, from files to files, block by block
============  ====================================================================================

The modules beside these are those of the study `perp`.

References
----------
Zimmer, Andoni, Spiegel, Pokutta, PERP, arXiv:2312.15230.
"""
