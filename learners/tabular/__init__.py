"""Independent Q-learners of a matrix game, as tables: the plain one to read, and a compiled one for sweeps."""
