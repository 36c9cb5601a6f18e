"""Matrix games: one state, two agents, one joint action per episode."""
