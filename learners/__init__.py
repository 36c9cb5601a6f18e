"""How a robot learns: the algorithms and the process that runs one."""
