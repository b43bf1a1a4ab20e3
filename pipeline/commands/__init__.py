"""What a person does with the pipelines: compile them, run one on this machine, submit one, list its images."""
