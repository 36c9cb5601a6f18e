"""Sweeps of independent tabular learners over seeds and payoffs, and what their mean dynamics foretell."""
