"""The `fabgan` command: one subcommand a step."""
