"""The run's processes as the supervisor holds them: spawned, forked by the zygote, watched by pidfd, killed."""
