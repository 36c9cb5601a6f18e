"""The command `fleet`: thin, one file per subcommand; the work is done in fleet.study and below."""
