"""`fleet tune`: the same search, of the same size, for every scheme."""
