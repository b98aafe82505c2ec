"""Training with constraints: regions side by side, beside SGD, AdamW and Muon.

The optimizer and the regions are in `tasks.nn.optimizers` and `tasks.nn.regions`; this package has
the study around them: `config`, `plan`, `methods` (which optimizer), `run` (one training),
`layers` (what was learned), `robustness` (certified accuracy), `verify`, `report`, `figures`.
"""
