"""The checker of certificates, in integers and `fractions.Fraction`.

`verification` is its front; the rest is private. Its modules import the standard library, each
other, and of this project only the errors of `tasks.records`. What decides is used by nothing that
makes certificates; those read files by the same `_form`.
"""
