"""What all processes share: config, messages, wire, ledger, checkpoints, the run directory."""
