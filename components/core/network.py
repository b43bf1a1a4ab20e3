"""Addresses: the proxies that stand in between, and the secrets that no message may say."""

import os
import re
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import UserError

SCHEME = re.compile(r"[\w.+-]+:/{1,2}")
PASSWORD = re.compile(r"(?:\[[^]/]*\])?+[^/?#]*:(?!\d+[/?#]).*@", re.DOTALL)
"""A colon before the path, not of IPv6 or of a port, and an @ after it: a password may hold any character."""
NAMED = re.compile(
    r"[?&;][^=&;/#]*(?:password|passwd|pwd|token|secret|signature|credential|(?:api|access|private).?key)[^=&;/#]*=",
    re.IGNORECASE,
)
"""A part of a query whose name tells of a secret. `sslkey` and `passfile` of PostgreSQL name files."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
WEB = ("http", "https")
SECRET_USER = (*WEB, "s3")
"""Schemes in which a user alone may be a token or a key. That of ssh is no secret."""
SHOWN = "a user, password or query in an address would appear in MLflow, manifests and messages"


def from_environment(name: str) -> str:
    """Return the value of a variable, empty if it is not set.

    Raises UserError, without the value, which may be a secret, if blanks or line breaks are around it, or a control
    character is in it.
    """
    value = os.environ.get(name, "")
    if value != value.strip():
        what = "ends with a line break" if value.endswith("\n") else "begins or ends with a blank"
        raise UserError(f"{name}: {what}; remove it (make a Secret of Kubernetes with `echo -n` or --from-literal)")
    _check_line(value, name)
    return value


def check_sent(name: str) -> None:
    """Raise a UserError, without the value, if a client could not send the value of a variable in a header."""
    check_header(from_environment(name), name)


def check_header(value: str, where: str) -> None:
    """Raise a UserError, without the value, if a client could not send it in a header."""
    _check_line(value, where)
    if not value.isascii():
        raise UserError(f"{where}: holds a character beyond ASCII, such as a quotation mark; copy the value again")


def _check_line(value: str, where: str) -> None:
    if CONTROL.search(value):
        raise UserError(f"{where}: holds a line break or another control character; copy the value again, in one line")


def holds_secret(address: str) -> bool:
    """Return whether an address, or what looks like one, names a password, or something that may be a token.

    That is any user over http and before a bucket, and any query over http. An @ in a path is no user.
    """
    scheme = address.partition(":")[0].lower().rpartition("+")[2]
    start = SCHEME.match(address)
    rest = address[start.end() :] if start else address
    return bool(
        PASSWORD.match(rest)
        or (scheme in SECRET_USER and "@" in re.split("[/?#]", rest)[0])
        or (scheme in WEB and "?" in rest.partition("#")[0])
        or (start and NAMED.search(unquote(rest)))
    )


def check_address(address: str, where: str, instead: str) -> None:
    """Raise a UserError if the address of a server holds a secret, or is none.

    `instead` says what the secret belongs in. An address without a scheme is judged for secrets as one over http. The
    path of a web server has no @ here, because in user:12/34@server it would be the end of a password.
    """
    is_web = address.partition("://")[0].lower() in WEB
    if holds_secret(address if "://" in address else f"http://{address}") or (is_web and "@" in address):
        raise UserError(f"{where}: {SHOWN}; remove it, and use {instead}")
    if is_web:
        try:
            urlsplit(address).port  # noqa: B018 (it is a property that raises)
        except ValueError as error:
            raise UserError(f"{where}: {address!r} is not an address ({error}); correct it") from error


def usual_proxy(address: str) -> str:
    """Return the proxy through which an address is asked by the rules of urllib, which boto3 and DVC's remotes follow.

    It is empty without one.
    """
    target = urlsplit(address)
    return "" if proxy_bypass(target.netloc) else getproxies().get(target.scheme, "")


def through_proxy(address: str, proxy: str) -> str:
    """Return words about the proxy through which an address is asked, for the end of a message; empty without one.

    They say `no_proxy`, because not every client reads NO_PROXY, nor networks in it.
    """
    if not proxy:
        return ""
    host = urlsplit(address).hostname
    return f" (asked through the proxy {without_user(proxy)}, because no_proxy does not name {host})"


def without_user(address: str) -> str:
    """Return an address without its user and password, in which any character may stand."""
    return re.sub(r"^([\w.+-]+://)?.*@", r"\1", address, flags=re.DOTALL)
