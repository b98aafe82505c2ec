"""Language models as folders of files: found, read block by block, walked through."""
