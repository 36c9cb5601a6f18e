"""Who chooses actions: all robots' policies, stacked; one that has no weights yet acts at random."""
