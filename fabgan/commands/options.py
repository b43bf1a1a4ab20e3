"""What several subcommands share: how they are declared, their paths, and the option `--params`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.core.network import holds_secret

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_command(commands: "Subcommands", name: str, text: str) -> argparse.ArgumentParser:
    """Add a subcommand; `text` describes it in the list of commands and in its own help."""
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def local_path(text: str) -> Path:
    """Return a path on this computer. Of an address, pathlib would make the name of a folder, and of nothing, `.`."""
    _check_given(text)
    if "://" in text:
        raise argparse.ArgumentTypeError("expected a path on this computer, and not an address")
    return Path(text)


def folder_or_bucket(text: str) -> str:
    """Return a path on this computer, or s3://BUCKET/PREFIX. What is refused is not repeated: it may hold a secret."""
    _check_given(text)
    if "://" in text and (not text.startswith("s3://") or holds_secret(text)):
        raise argparse.ArgumentTypeError("expected a path on this computer, or s3://BUCKET/PREFIX without a key")
    return text


def _check_given(text: str) -> None:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, and not an empty text; is a variable of the shell unset?")


def add_params(command: argparse.ArgumentParser) -> None:
    """Add the option `--params`, the path of a params.yaml."""
    command.add_argument(
        "--params", type=local_path, default=Path("params.yaml"), help="parameters; default: params.yaml"
    )


def in_units(size_bytes: int) -> str:
    """Return a number of bytes as people read it, in units of 1000."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
