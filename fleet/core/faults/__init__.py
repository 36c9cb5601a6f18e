"""Faults on purpose: which kinds there are, and what a plan comes to. Pure; known to every process of a run."""
