"""The lines that `fleet tasks` has of the games of two agents."""

from env_server.kinds import Task

_GAMES = {
    "coordination": "both had better do the same, (1, 1) rather than (0, 0)",
    "climbing": "the best joint action is next to the worst (Claus and Boutilier 1998)",
    "penalty": "two best joint actions, and a penalty for mixing them up (Claus and Boutilier 1998)",
    "pennies": "what one wins the other loses: each exploits what the other does now",
    "two-state": "the pair has to give something up together to get to where more is to be had",
    "rendezvous": "paid only where both are in place in the same step",
}
TASKS = tuple(Task("game", f'kind = "game", game.name = "{name}"', text) for name, text in _GAMES.items())
