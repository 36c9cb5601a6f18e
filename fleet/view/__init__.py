"""What a person looks at: reads the run directory and the control socket, nothing else."""
