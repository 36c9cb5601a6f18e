"""`fleet diagnose`: whether independent learning will do for a task, told from short probes before it is paid for."""
