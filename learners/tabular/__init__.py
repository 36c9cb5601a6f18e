"""Independent learners of small games, as tables: plain ones to read, and compiled ones for sweeps."""
