"""Other people's tasks: parallel environments of PettingZoo, stepped in processes of their own."""
