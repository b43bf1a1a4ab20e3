"""The `publish` section of params.yaml."""

import re

from ..core.parameters import MODEL_NAME, MODEL_NAME_RULE, parameters


@parameters
class PublishParameters:
    """The `publish` section of params.yaml."""

    model_name: str = "bga-generator"
    """Name of the registered model."""

    def __post_init__(self) -> None:
        """Refuse a name that MLflow refuses, or by which no version can be pulled."""
        if not re.fullmatch(MODEL_NAME, self.model_name):
            raise ValueError(f"model_name: expected {MODEL_NAME_RULE}")
