"""How models of a run are made, from files to files, and how they are stored."""
