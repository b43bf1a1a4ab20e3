"""The commands on pipelines: compile them, run one on this machine, submit one, list their images."""
