"""`fleet compare`: the same task under every scheme, at the same budget, and what each of them costs."""
