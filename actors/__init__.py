"""Who chooses actions: trained policies, stacked over all robots, and random ones."""
