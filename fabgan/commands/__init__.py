"""The subcommands of the `fabgan` command, one module each."""
