"""`fleet soak`: real runs under random faults of all kinds, with every invariant checked from outside all along."""
