"""What operating systems, network storage and programs keep among other files, such as thumbnails and deleted files."""

FOLDERS_OF_SYSTEMS = frozenset({
    "@eadir", "@recycle", "#recycle", "#snapshot", "@recently-snapshot", "$recycle.bin", "__macosx", "lost+found",
    "system volume information",
})  # fmt: skip
FILES_OF_SYSTEMS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})


def is_of_system(path: str) -> bool:
    """Return whether a path is of an operating system or of network storage."""
    parts = path.lower().split("/")
    return bool(FOLDERS_OF_SYSTEMS & set(parts)) or parts[-1] in FILES_OF_SYSTEMS


def is_hidden(path: str) -> bool:
    """Return whether the name of a file or of a folder around it begins with a dot."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))
