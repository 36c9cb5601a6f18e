"""`fleet replay`: what happened in a run, as a plan."""
