"""The subcommands of the fabgan command that are no steps."""
