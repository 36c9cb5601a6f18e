"""What composes all parts: runs, the single-process reference, evaluation, benchmarks."""
