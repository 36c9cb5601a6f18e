"""The supervisor: starts, watches, restarts and stops the processes of a run. Knows `fleet.core` only."""
