"""The checker of certificates: the standard library and nothing else of this project.

`verification` is its front; the rest is private. It shares no code with what makes certificates.
"""
