"""Addresses: the proxies that stand in between, and the secrets that no message may say."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def through_proxy(address: str) -> str:
    """Return words about the proxy through which an address is asked, for the end of a message; empty without one."""
    target = urlsplit(address)
    proxy = getproxies().get(target.scheme, "")
    host = target.hostname or ""
    if not proxy or proxy_bypass(host):
        return ""
    return f" (asked through the proxy {without_user(proxy)}, because {host} is not in NO_PROXY)"


def holds_secret(address: str) -> bool:
    """Return whether an address names a password, or over http any user, which may be a token.

    The user of another scheme, such as that of ssh, is no secret.
    """
    scheme, _, rest = address.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    return bool(at) and (":" in user or scheme.lower() in ("http", "https"))


def without_user(address: str) -> str:
    """Return an address without its user and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
