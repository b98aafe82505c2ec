"""Pictures of colorings: mosaics of their pieces, scenes around them, figures, charts, a gallery.

`mosaics`, `slices` and `views` make outlines of colorings, `scenes` says what is shown of them,
`figures`, `charts` and `gallery` draw, and `run_figures`, `run_charts` and `pictures` choose what
is drawn of a stored run.
"""
