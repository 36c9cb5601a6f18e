"""The world and the process that serves it."""
