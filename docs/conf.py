"""Sphinx configuration: `pip install -e '.[docs]'`, then `sphinx-build docs docs/_build`."""

project = "latticework"
author = "The latticework developers"
copyright = "The latticework developers"  # noqa: A001
release = "0.1.0"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
