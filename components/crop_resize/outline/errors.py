"""Why no package can be cropped."""


class OutlineNotFoundError(Exception):
    """No package can be cropped. The message is the reason that the manifest's quarantine list shows."""
