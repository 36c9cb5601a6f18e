"""What a run's faults cost, read from the run's own record."""
