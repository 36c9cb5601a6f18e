"""`fleet bench`: speed, memory and recovery, each figure beside what it is compared with in the same run."""
