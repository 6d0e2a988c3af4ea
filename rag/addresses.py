"""Owns web addresses: which text is one, which article it names, and which machines are public.

Nothing here asks the network. A name says nothing about where it leads: only the addresses it resolves to do.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin

import idna

from rag.errors import InputError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_LENGTH = 4096
# What programs disagree about, and Python's own functions drop without a word.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
# The expression of RFC 3986, appendix B. Not the standard library's urlsplit, whose checks differ between releases.
_FORM = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.ASCII | re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[]+)(?::([0-9]{0,5}))?")  # without a user, and no scope in brackets
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SAFE = "%/?:@!$&'()*+,;=[]"  # left as they are in path and query
_TRACKING = re.compile(
    r"utm_.*|fbclid|gclid|dclid|gbraid|wbraid|msclkid|twclid|yclid|igshid|mc_cid|mc_eid", re.IGNORECASE
)

# The special-purpose registries of IANA (RFC 6890), whole: what `ipaddress` makes of them differs between releases.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata service is in it
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public number that a cloud answers from inside each machine
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo, which carries an IPv4 address, and others
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",
    )
)
# All that is given out to the public. Outside are the other forms that carry an IPv4 address, whatever it is: mapped
# (::ffff:0:0/96), compatible (::/96), translated (64:ff9b::/96 and 64:ff9b:1::/48).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

_NOT_AN_ADDRESS = (
    "This is not the address of a web page. Give one that begins with https:// or http://, "
    "without a user name or password in it."
)


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An http or https address in its one normal form, without user and fragment.

    `host` is ASCII in lower case, an IPv6 address without brackets; `target` is the path with the query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_numeric(self) -> bool:
        """Whether the host is an IP address and not a name."""
        return ":" in self.host or _NUMBER.fullmatch(self.host.rpartition(".")[2]) is not None

    @property
    def authority(self) -> str:
        """The host with its port where that is not the default one, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_address(text: str) -> WebAddress:
    """Return the web address that a text is.

    Raises InputError where it is none, or is written so that programs could read it in two ways.
    """
    try:
        return _parse(text.strip(" \t\r\n"))
    except ValueError:  # of ipaddress, idna and quote too
        raise InputError(_NOT_AN_ADDRESS) from None


def join_address(base: WebAddress, reference: str) -> WebAddress:
    """Return where a reference on a page leads, such as a redirect's; errors as `parse_address`."""
    try:
        if _FORBIDDEN.search(reference):  # before urljoin, which drops some of them
            raise ValueError
        # One with a scheme stands for itself; urljoin reads "http:x" as a path.
        return _parse(reference if _SCHEME.match(reference) else urljoin(str(base), reference))
    except ValueError:
        raise InputError(_NOT_AN_ADDRESS) from None


def page_source(url: str) -> str:
    """Return the source of the article at an address: pages with equal sources are one article.

    It is the address in its normal form, without the parameters that only tell where a reader came from.
    Raises InputError as `parse_address`.
    """
    address = parse_address(url)
    path, _, query = address.target.partition("?")
    kept = [part for part in query.split("&") if not _TRACKING.fullmatch(part.partition("=")[0])]
    return str(replace(address, target="?".join(filter(None, (path, "&".join(kept))))))


def is_public(address: str) -> bool:
    """Whether a text is an IP address of one machine on the public internet.

    Our own list and the standard library must both agree. An address that carries another is not public,
    nor is one with a scope.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id is not None or ip not in _GLOBAL_UNICAST):
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


def _parse(text: str) -> WebAddress:
    match = _FORM.fullmatch(text)
    if match is None or _FORBIDDEN.search(text) or len(text) > _MAX_LENGTH:
        raise ValueError
    scheme = match[1].lower()
    authority = _AUTHORITY.fullmatch(match[2])
    if authority is None:
        raise ValueError
    port = int(authority[2] or _DEFAULT_PORTS[scheme])
    query = "" if match[4] in (None, "?") else match[4]
    # Bytes of a header that are not UTF-8 come as surrogates and leave as they came.
    target = quote((match[3] or "/") + query, safe=_SAFE, errors="surrogateescape")
    return WebAddress(scheme, _host(authority[1]), port, target)


def _host(text: str) -> str:
    """Return a host in its normal form; ValueError for a name that is none, or an odd form of a number."""
    if text.startswith("["):
        return str(ipaddress.IPv6Address(text[1:-1]))
    name = text.lower()
    if not name.isascii():  # strict: full-width dots do not part labels, circled digits are no digits
        name = idna.encode(unicodedata.normalize("NFC", name), strict=True).decode("ascii")
    name = name.removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError
    if _NUMBER.fullmatch(name.rpartition(".")[2]):  # 127.1, 0x7f000001 and 2130706433 are addresses to resolvers
        return str(ipaddress.IPv4Address(name))
    return name
