"""The `publish` section of params.yaml."""

from ..core.parameters import parameters


@parameters
class PublishParameters:
    """The `publish` section of params.yaml."""

    model_name: str = "bga-generator"
    """Name of the registered model."""

    def __post_init__(self) -> None:
        """Refuse a name that MLflow refuses."""
        if not self.model_name.strip() or set(self.model_name) & set("/:"):
            raise ValueError("model_name: expected a name without / and :")
