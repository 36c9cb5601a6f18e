"""The lives of a run's processes: found dead, frozen or stuck, restarted or given up, and the record of it."""
