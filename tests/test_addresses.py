"""Web addresses: what is one, which article it names, and which machines are public."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AnyUrl, ValidationError

from rag import addresses
from rag.addresses import WebAddress, is_public, join_address, page_source, parse_address
from rag.errors import InputError

# ---------------------------------------------------------------- what is an address


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://Example.ORG:443/A?B=C#d", "https://example.org/A?B=C"),
        ("http://example.org:80", "http://example.org/"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("http://example.org:/", "http://example.org/"),
        ("http://example.org:00080/", "http://example.org/"),
        ("http://example.org./", "http://example.org/"),
        ("http://example.org?", "http://example.org/"),
        ("http://example.org?q=1#", "http://example.org/?q=1"),
        ("  https://example.org/ \r\n", "https://example.org/"),
        ("http://a_b.example.org/", "http://a_b.example.org/"),
        ("http://example.org/a b?c=d e", "http://example.org/a%20b?c=d%20e"),
        ("http://example.org/%e4%zz", "http://example.org/%e4%zz"),
        ("http://example.org/ä?ö=茶", "http://example.org/%C3%A4?%C3%B6=%E8%8C%B6"),
        ("http://example.org/\udce4", "http://example.org/%E4"),  # a byte that is not UTF-8
        ("http://example.org/a@b:c//d", "http://example.org/a@b:c//d"),
        ("http://MÜNCHEN.example/", "http://xn--mnchen-3ya.example/"),
        ("http://mu\u0308nchen.example/", "http://xn--mnchen-3ya.example/"),
        ("http://茶.example/", "http://xn--cl1a.example/"),
        ("http://192.0.2.7/", "http://192.0.2.7/"),
        ("http://192.0.2.7.:80/", "http://192.0.2.7/"),
        ("http://[2001:DB8:0::7]:443/", "http://[2001:db8::7]:443/"),
        ("http://127.0.0.1#@good/", "http://127.0.0.1/"),
        ("http://127.0.0.1/\t", "http://127.0.0.1/"),
    ],
)
def test_an_address_has_one_normal_form(text: str, normal: str) -> None:
    assert str(parse_address(text)) == normal
    assert parse_address(normal) == parse_address(text)


SCHEMES = ["file", "ftp", "gopher", "dict", "data", "jar", "blob", "unix", "javascript", "ws", "httpx", "http+unix"]
ODD_NUMBERS = [
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.0.0.1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.0x1",
    "127.0.0.0x",
    "0",
    "00",
    "0x",
    "127.0.0.1.5",
    "256.0.0.1",
    "127.0.0.1..",
    "example.1",
]
ODD_HOSTS = [
    "",
    ".",
    "..",
    ".example.org",
    "exa..mple.org",
    "-example.org",
    "example-.org",
    "a" * 64 + ".org",
    ".".join(["a" * 49] * 6),
    "①②⑦.⓪.⓪.①",
    "①27.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.0.0.1",
    "example。org",
    "ｅxample.org",
    "ex\u00adample.org",
    "ex\u200bample.org",
    "ex\u202eample.org",
    "exam℀ple.org",
    "\ud800.org",
    "%31%32%37.0.0.1",
    "exa%6dple.org",
    "exa mple.org",
    " example.org",
    "example.org ",
    "exa\tmple.org",
    "exa\r\nmple.org",
    "exa\nmple.org",
    "exa\x00mple.org",
    "exa\x7fmple.org",
    "exa\x85mple.org",
    "exa\u2028mple.org",
    "exa\xa0mple.org",
    "example.org\\",
    "good\\@127.0.0.1",
    "good\\.example.org",
    "good@127.0.0.1",
    "good:secret@127.0.0.1",
    "good:80@127.0.0.1",
    ":@127.0.0.1",
    "@127.0.0.1",
    "127.0.0.1:80@good",
    "good&@127.0.0.1",
    "example.org:80:80",
    "example.org:-80",
    "example.org:+80",
    "example.org:8０",
    "example.org:http",
    "example.org:000080",
    "[::1",
    "::1",
    "::1]",
    "[]",
    "[::1]x",
    "x[::1]",
    "[127.0.0.1]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1%]",
    "[v1.x]",
    "[::1]]",
    "[[::1]]",
    "exa<mple.org",
    "exa|mple.org",
    "exa^mple.org",
    "exa,mple.org",
    "exa;mple.org",
    "*.example.org",
]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "example.org",
        "//example.org/",
        "/etc/passwd",
        "http:example.org",
        "http:/example.org",
        "http:///example.org",
        "http:\\\\example.org",
        "http//example.org",
        "htt\np://example.org/",
        "httpſ://example.org/",
        "ﬁle://example.org/",
        "url:http://example.org/",
        "view-source:http://example.org/",
        "javascript:alert(1)//http://example.org/",
        "http://example.org/\\",
        "http://example.org/a\tb",
        "http://example.org/a\r\nHost: inside",
        "http://example.org/?a\nb",
        "http://example.org/#a\x00b",
        "http://example.org/a\x85b",
        "http://example.org/\ud800",
        "http://example.org/" + "a" * 4096,
        *(f"{scheme}://example.org/x" for scheme in SCHEMES),
        "data:text/html,x",
        "file:/etc/passwd",
        *(f"http://{host}/" for host in [*ODD_NUMBERS, *ODD_HOSTS]),
    ],
)
def test_what_programs_could_read_in_two_ways_is_no_address(text: str) -> None:
    with pytest.raises(InputError, match=r"not the address of a web page\. Give one that begins") as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError):
        page_source(text)


URL_TEXT = st.text(st.sampled_from(list("https:/@.\\[]%#?&=-_0127xfa~ \t\néß。①\u0301\ud800")), max_size=24)
URLS = st.one_of(
    st.text(max_size=40),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["http://", "https://", "HTTP://", "http:", "//", "http:\\\\"]),
        st.one_of(
            URL_TEXT,
            st.sampled_from(["example.org", "1.2.3.4", "[::1]", "münchen.example"]),
            st.ip_addresses().map(str),
        ),
        st.one_of(st.just(""), st.builds("/{}".format, URL_TEXT), st.builds(":{}".format, URL_TEXT)),
    ),
)


@given(URLS)
@example("http://good\\@127.0.0.1/")
@example("http://1.2.3.4:80#@good")
def test_a_browser_reads_the_same_address_from_the_text(text: str) -> None:
    try:
        address = parse_address(text)
    except InputError:
        return
    normal = str(address)
    assert normal.isascii()
    assert parse_address(normal) == address
    assert page_source(page_source(text)) == page_source(text)
    split = urlsplit(normal)
    assert (split.scheme, split.hostname, split.username) == (address.scheme, address.host, None)
    try:
        browser = AnyUrl(text)  # reads an address as browsers do
    except ValidationError:  # it knows better what a name in another script may hold
        assert not text.isascii() or "xn--" in text
        return
    assert browser.host is not None
    host = browser.host.strip("[]").removesuffix(".")
    assert address.host == (str(ipaddress.ip_address(host)) if address.is_numeric else host)
    assert (browser.scheme, browser.port, browser.username) == (address.scheme, address.port, None)


@pytest.mark.parametrize(
    ("reference", "normal"),
    [
        ("next", "https://example.org/a/next"),
        ("/next", "https://example.org/next"),
        ("//other.example/next", "https://other.example/next"),
        ("?q=2", "https://example.org/a/b?q=2"),
        ("#part", "https://example.org/a/b?q=1"),
        ("", "https://example.org/a/b?q=1"),
        ("../../../x", "https://example.org/x"),
        ("HTTP://OTHER.example", "http://other.example/"),
        ("/a b", "https://example.org/a%20b"),
    ],
)
def test_a_reference_is_read_from_its_page(reference: str, normal: str) -> None:
    base = WebAddress("https", "example.org", 443, "/a/b?q=1")
    assert str(join_address(base, reference)) == normal


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,x",
        "http:next",
        "https:/next",
        "http:///other.example/",
        "//good@127.0.0.1/",
        "//127.1/",
        "http://[::1",
        "/\\127.0.0.1/",
        "ht\ttp://127.0.0.1/",
        "/\n/127.0.0.1/",
        "\x01//127.0.0.1/",
    ],
)
def test_a_reference_that_leads_off_the_web_is_none(reference: str) -> None:
    with pytest.raises(InputError):
        join_address(WebAddress("https", "example.org", 443, "/"), reference)


# ---------------------------------------------------------------- which article an address names


@pytest.mark.parametrize(
    "same",
    [
        "https://example.org/news?id=7&page=2",
        "HTTPS://EXAMPLE.ORG:443/news?id=7&page=2#comments",
        "https://example.org/news?utm_source=letter&id=7&utm_medium=mail&page=2",
        "https://example.org/news?id=7&page=2&fbclid=x&UTM_Campaign=y&gclid=z",
    ],
)
def test_the_same_page_has_the_same_source(same: str) -> None:
    assert page_source(same) == "https://example.org/news?id=7&page=2"


@pytest.mark.parametrize(
    ("other", "source"),
    [
        ("https://example.org/news?page=2&id=7", "https://example.org/news?page=2&id=7"),
        ("http://example.org/news", "http://example.org/news"),
        ("https://example.org/News", "https://example.org/News"),
        ("https://example.org/news/", "https://example.org/news/"),
        ("https://example.org/?q=utm_source", "https://example.org/?q=utm_source"),
        ("https://example.org/?my_utm_x=1&gclidx=2", "https://example.org/?my_utm_x=1&gclidx=2"),
        ("https://example.org/?a&b=&=c", "https://example.org/?a&b=&=c"),
        ("https://example.org/?utm_source=x", "https://example.org/"),
        ("https://example.org", "https://example.org/"),
    ],
)
def test_what_may_be_another_page_is_another_source(other: str, source: str) -> None:
    assert page_source(other) == source


# ---------------------------------------------------------------- which machines are public

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.15",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.88.98.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "3ffe:ffff::1",
]
NOT_PUBLIC = [  # each network of the list is met by its first and last address, where it has many
    *("0.0.0.0", "0.0.0.1", "0.255.255.255"),
    *("10.0.0.0", "10.1.2.3", "10.255.255.255"),
    *("100.64.0.0", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.255.255.255"),
    "168.63.129.16",
    *("169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255"),
    *("172.16.0.0", "172.31.255.255"),
    *("192.0.0.0", "192.0.0.9", "192.0.0.192", "192.0.0.255"),
    "192.0.2.1",
    "192.88.99.1",
    *("192.168.0.0", "192.168.255.255"),
    *("198.18.0.0", "198.19.255.255"),
    "198.51.100.1",
    "203.0.113.1",
    *("224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255"),
    *("2001::1", "2001:1::1", "2001:2::1", "2001:20::1", "2001:1ff::1"),  # Teredo, anycast, benchmarks, identifiers
    "2001:0:5ef5:79fd:0:0:f5ff:fffe",  # Teredo of 10.0.0.1
    "2001:db8::1",
    *("2002:7f00:1::", "2002:808:808::1"),
    *("3fff::1", "3fff:fff::1"),
]
NEVER_GIVEN_OUT = [  # refused for being outside of global unicast
    *("::", "::1", "::127.0.0.1", "::8.8.8.8"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8", "::ffff:0:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::7f00:1"),
    *("100::1", "100:0:0:1::1", "1fff::1", "4000::1", "5f00::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1"),
]
NOT_ADDRESSES = [
    *("", " ", "localhost", "127.1", "2130706433", "0x7f000001", "010.0.0.1", "1.1.1.1 ", "1.1.1.1\n", "1.1.1.1/32"),
    *("2606:4700::1111%eth0", "2606:4700::1111%0", "fe80::1%eth0", "[2606:4700::1111]", "1.1.1.1:80", "１.1.1.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_machine_on_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [*NOT_PUBLIC, *NEVER_GIVEN_OUT, *NOT_ADDRESSES])
def test_any_other_machine_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_our_own_list_suffices(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for family in (ipaddress.IPv4Address, ipaddress.IPv6Address):
        monkeypatch.setattr(family, "is_global", True)
        monkeypatch.setattr(family, "is_multicast", False)
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1"),
        *("198.18.0.1", "224.0.0.1", "239.1.2.3", "255.255.255.255", "::1", "fe80::1", "2001::1", "2001:db8::1"),
    ],
)
def test_the_standard_library_suffices_for_what_it_knows(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_NOT_PUBLIC", ())
    assert not is_public(address)


V4_ELSEWHERE = [  # first, and how many bits of it count; written from the registries, apart from the code
    *((0x00000000, 8), (0x0A000000, 8), (0x64400000, 10), (0x7F000000, 8), (0xA83F8110, 32), (0xA9FE0000, 16)),
    *((0xAC100000, 12), (0xC0000000, 24), (0xC0000200, 24), (0xC0586300, 24), (0xC0A80000, 16), (0xC6120000, 15)),
    *((0xC6336400, 24), (0xCB007100, 24), (0xE0000000, 4), (0xF0000000, 4)),
]


def v4_is_global(number: int) -> bool:
    return not any(number >> (32 - bits) == first >> (32 - bits) for first, bits in V4_ELSEWHERE)


def v6_is_global(number: int) -> bool:
    """The same for IPv6: the address itself, and the IPv4 address that it carries in one of the known ways."""
    carried = {
        number >> 32 == 0: number & 0xFFFFFFFF,  # compatible
        number >> 32 == 0xFFFF: number & 0xFFFFFFFF,  # mapped
        number >> 32 == 0xFFFF0000: number & 0xFFFFFFFF,  # translated, RFC 2765
        number >> 32 == 0x0064FF9B << 64: number & 0xFFFFFFFF,  # NAT64
        number >> 80 == 0x0064FF9B0001: number & 0xFFFFFFFF,  # NAT64 of one network
        number >> 112 == 0x2002: number >> 80 & 0xFFFFFFFF,  # 6to4
        number >> 96 == 0x20010000: ~number & 0xFFFFFFFF,  # Teredo
    }
    if True in carried and not v4_is_global(carried[True]):
        return False
    hexadecimal = f"{number:032x}"
    first = int(hexadecimal[:4], 16)
    return (
        0x2000 <= first <= 0x3FFF
        and not (first == 0x2001 and int(hexadecimal[4:8], 16) < 0x200)
        and not hexadecimal.startswith(("20010db8", "3fff0"))
    )


SPECIAL_V6 = [int(ipaddress.IPv6Address(text)) for text in [*NEVER_GIVEN_OUT, *NOT_PUBLIC, *PUBLIC] if ":" in text]
V6_NUMBERS = st.one_of(
    st.integers(0, 2**128 - 1),
    st.integers(0x2000 << 112, (0x4000 << 112) - 1),
    st.builds(
        lambda special, low, bits: special & ~((1 << bits) - 1) | low & ((1 << bits) - 1),
        st.sampled_from(SPECIAL_V6),
        st.integers(0, 2**128 - 1),
        st.integers(0, 112),
    ),
)
V4_NUMBERS = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(
        lambda place, step: (place[0] + step) % 2**32,
        st.sampled_from(V4_ELSEWHERE + [(first + (1 << 32 - bits), bits) for first, bits in V4_ELSEWHERE]),
        st.integers(-2, 2),
    ),
)


@given(V4_NUMBERS)
def test_an_ipv4_address_is_public_by_the_registries_alone(number: int) -> None:
    assert is_public(str(ipaddress.IPv4Address(number))) == v4_is_global(number)


@given(V6_NUMBERS)
def test_an_ipv6_address_that_is_public_is_so_by_the_registries_too(number: int) -> None:
    ip = ipaddress.IPv6Address(number)
    if is_public(str(ip)):
        assert v6_is_global(number)
        assert ip.is_global
        assert not ip.is_multicast
    elif v6_is_global(number):  # none is lost but those that carry another address, which nobody publishes
        assert ip.sixtofour is not None or not ip.is_global
