"""RWARE's warehouse in compiled code, and what is built on it."""
