"""A supervisor in a process of its own, to be killed: python run_supervisor.py RUN_FOLDER LEARNERS WARM."""

import sys
from pathlib import Path

from supervising import Modules, config, supervise

from fleet.core.rundir import RunDirectory

with RunDirectory.create(Path(sys.argv[1]), "", []) as directory:
    modules = Modules("fake_server", "fake_learner:main", sys.argv[3])
    sys.exit(supervise(directory, config(int(sys.argv[2])), modules=modules).exit_status)
