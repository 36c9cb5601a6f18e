"""Faults on purpose: what the plan and a person have the supervisor do, and what of it is going on."""
