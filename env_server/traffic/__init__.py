"""A grid of signalled intersections, each an agent: a task with a dense reward and no commitment to make together."""
