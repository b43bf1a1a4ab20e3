"""Which code is running: the git commit for tags and runs, and the digest of the code that decides a step's result.

`code_of(step)` is the only definition of "the code of a step". DVC, checkpoints, unfinished folders and the local
runner of Kubeflow pipelines use it.
"""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .parameters import digest

PACKAGE = Path(__file__).absolute().parents[2]
"""The folder `fabgan`. It is not resolved, because parts of it may be links to other folders of the checkout."""
CHECKOUT = PACKAGE.parent
TEMPLATES = "components/artifacts/pages/templates"
PAGE = re.compile(r'"(\w+\.html\.j2)"')
"""A template that a module names. The style that all pages share is no code of a step."""


def git_commit() -> str:
    """Return the commit of this code, with `+changes` if files differ from the commit.

    Outside git, it is the value of FABGAN_GIT_COMMIT, which the container image sets, or `unknown`.
    """
    ours = _git("ls-files", "fabgan/__init__.py")  # the package may lie below a repository that is somebody else's
    commit = _git("rev-parse", "HEAD") if ours else ""
    if not commit:
        return os.environ.get("FABGAN_GIT_COMMIT") or "unknown"
    changes = _git("status", "--porcelain", "--", "model", "components", "fabgan", "pipeline")
    return f"{commit}+changes" if changes else commit


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(CHECKOUT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def code_of(step: str) -> str:
    """Return the SHA-256 of the code that decides a step's result.

    That is the step's module and every module of fabgan that it imports, directly or not, without comments and
    docstrings, and the templates of its pages. Work is not resumed with other code, because the result would mix
    versions.
    """
    return code_of_module(f"fabgan.components.{step}.step")


def code_of_module(module: str) -> str:
    """Return the SHA-256 of the code of a module, as `code_of` does for that of a step."""
    sources = {name: _file(name).read_bytes() for name in modules_of(module)}
    pages = {name for source in sources.values() for name in PAGE.findall(source.decode())}
    code = {name: _without_comments(source) for name, source in sources.items()}
    return digest(code | {name: (PACKAGE / TEMPLATES / name).read_text(encoding="utf-8") for name in pages})


def modules_of(module: str) -> list[str]:
    """Return a module and all modules of fabgan that it imports, directly or not, sorted."""
    found, waiting = set[str](), {module}
    while waiting:
        found |= waiting
        waiting = {imported for importer in waiting for imported in _imported(importer)} - found
    return sorted(found)


def _file(module: str) -> Path:
    """Return the file of a module. For a package, this is its __init__.py."""
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _imported(module: str) -> Iterator[str]:
    """Yield the packages that hold a module, and the modules of fabgan that it imports anywhere in its code."""
    yield from _packages(module)
    package = module if _file(module).name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(_file(module).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names for name in _known(alias.name))
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (name for alias in node.names for name in _known(base, alias.name))


def _packages(module: str) -> list[str]:
    """Return the packages that hold a module, except `fabgan` itself, which only re-exports names."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(2, len(parts))]


def _known(base: str, name: str = "") -> list[str]:
    """Return `base` and `base.name` if they are modules of fabgan. A name may also be a function of `base`."""
    candidates = [base, f"{base}.{name}"] if name else [base]
    return [known for known in candidates if known.split(".")[0] == "fabgan" and _file(known).is_file()]


@cache
def _without_comments(source: bytes) -> str:
    """Return the syntax tree of a module's source as text, without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [statement for statement in body if not _is_docstring(statement)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    """Return whether a statement is a bare string: the docstring of a module, class, function or attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
