"""Mail: known by its head, read part by part, and never a crash whatever is broken in it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load.document import Document, to_article
from rag.load.eml import looks_like_eml, parse_eml
from tests.articles import article_or_none, blocks

HEAD = (
    b"From: Ida Berg <ida@example.org>\nTo: All <all@example.org>\nSubject: The bridge\n"
    b"Date: Fri, 1 Mar 2024 23:30:00 -0500\n"
)
LONG = "It was opened in 1931, after four years of work, and carries two lanes and a footpath over the river."


def mail(text: str | None = "The bridge is long.", **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = fields.pop("sender", "Ida Berg <ida@example.org>")
    message["Subject"] = fields.pop("subject", "The bridge")
    message["Message-ID"] = "<1@example.org>"
    for name, value in fields.items():
        message[name] = value
    if text is not None:
        message.set_content(text)
    return message


def parts(*contents: str, kind: str = "mixed", more: str = "") -> bytes:
    """Return a mail of raw parts, each with a head of its own."""
    body = "".join(f"--b\n{content}\n" for content in contents)
    head = f'MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="b"{more}\n\n'
    return HEAD + (head + body + "--b--\n").encode()


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(Unloadable) as caught:
        parse_eml(data)
    return caught.value.state, caught.value.reason


# ---------------------------------------------------------------- what is a mail


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"\nThe bridge is long.",
        HEAD.replace(b"\n", b"\r\n") + b"\r\nThe bridge is long.",
        b"\n\n" + HEAD + b"\nThe bridge is long.",
        b"From ida@example.org Fri Mar 01 23:30:00 2024\n" + HEAD + b"\nThe bridge is long.",
        b"\xef\xbb\xbf" + HEAD + b"\nThe bridge is long.",
        HEAD.decode().encode("utf-16"),
        HEAD.decode().encode("utf-16-le"),
        b"Received: from a\n\tby b\nSubject: The bridge\n\nIt is long.",
        b"Subject: The bridge\nMIME-Version: 1.0\n\nIt is long.",
        b"MIME-Version: 1.0\nDate: Fri, 1 Mar 2024 23:30:00 -0500\n\nIt is long.",
        mail().as_bytes(),
    ],
)
def test_a_mail_is_known_by_its_head(data: bytes) -> None:
    assert looks_like_eml(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"The bridge is long.",
        b"From: Ida Berg\nTo: All staff\nDate: 1 March 2024\nSubject: The bridge\n\nThe bridge is long.",
        b"MEMO\n\nFrom: ida@example.org\nTo: all@example.org\nSubject: The bridge\n",
        b"Subject: The bridge\n\nFrom: ida@example.org\nTo: all@example.org\n",
        b"From: ida@example.org\n\nThe bridge is long.",
        b"---\nfrom: ida@example.org\nsubject: The bridge\nmessage-id: 1\n---\n\nThe bridge is long.",
        b"Title: The bridge\nDate: 2024-03-01\nAuthor: ida@example.org\n\nThe bridge is long.",
        b"HTTP/1.1 200 OK\nDate: Fri, 1 Mar 2024 23:30:00 GMT\nContent-Type: text/html\n\n<p>",
        b"Date: Fri, 1 Mar 2024 23:30:00 GMT\nContent-Type: text/html\nServer: x\n\n<p>",
        b"**From:** ida@example.org\n**Subject:** The bridge\n",
        b"From where I stand: the bridge.\nSubject: to review, it is long. Write to ida@example.org.",
        b'{"from": "ida@example.org", "subject": "The bridge"}',
    ],
)
def test_a_memo_an_article_or_front_matter_is_no_mail(data: bytes) -> None:
    assert not looks_like_eml(data)


# ---------------------------------------------------------------- its head


def test_the_head_gives_title_author_and_date() -> None:
    document = parse_eml(HEAD + b"Content-Language: nb-NO\n\nThe bridge is long.")
    assert (document.title, document.author, document.published) == ("The bridge", "Ida Berg", "2024-03-01")
    assert document.language == "nb"
    assert blocks(document) == [("text", "The bridge is long.")]


@pytest.mark.parametrize(
    ("field", "author"),
    [
        (b"ida@example.org", "ida@example.org"),
        (b'"Berg, Ida" <ida@example.org>', "Berg, Ida"),
        (b"Ida Berg <ida@example.org>, Ola Dal <ola@example.org>", "Ida Berg, Ola Dal"),
        (b"=?utf-8?q?Ida_B=C3=A6rg?= <ida@example.org>", "Ida Bærg"),
        ("Ida Bærg <ida@example.org>".encode(), "Ida Bærg"),
        ("Ida Bærg <ida@example.org>".encode("latin-1"), "Ida Bærg"),
        (b"<Saved by Blink>", None),
        (b"Ida Berg", "Ida Berg"),
    ],
)
def test_the_author_is_a_name_or_else_an_address(field: bytes, author: str | None) -> None:
    data = b"MIME-Version: 1.0\nSubject: The bridge\nFrom: " + field + b"\n\nIt is long."
    assert parse_eml(data).author == author


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b"The bridge", "The bridge"),
        (b"The\n bridge\r\n\tat Ostvik", "The bridge at Ostvik"),
        (b"=?utf-8?b?" + base64.b64encode("Die Brücke".encode()) + b"?=", "Die Brücke"),
        (b"=?iso-8859-1?q?Die_Br=FCcke?=", "Die Brücke"),
        (b"Re: =?iso-8859-1?q?Br=FCcke?= =?iso-8859-1?q?_alt?= und neu", "Re: Brücke alt und neu"),
        (b"=?utf-8?b?" + base64.b64encode("Brücke".encode()[:3]) + b"?=\n =?utf-8?b?vGNrZQ==?=", "Brücke"),
        (b"=?windows-1255?B?+ezl7Q==?=", "שלום"),
        (b"=?x-unknown?q?Bridge?=", "Bridge"),
        ("Die Brücke".encode(), "Die Brücke"),
        ("Die Brücke".encode("cp1252"), "Die Brücke"),
        ("Мост через реку закрыли".encode("koi8-r"), "Мост через реку закрыли"),
        (b"=?utf-8?b?*?=", None),
        (b"", None),
    ],
)
def test_a_subject_is_read_in_its_encoding(field: bytes, title: str | None) -> None:
    assert parse_eml(b"MIME-Version: 1.0\nFrom: a@example.org\nSubject: " + field + b"\n\nIt is long.").title == title


@pytest.mark.parametrize(
    ("field", "published"),
    [
        ("Tue, 01 Oct 2024 12:34:56 -0500", "2024-10-01"),
        ("1 Oct 24 12:34 GMT (Greenwich Mean Time)", "2024-10-01"),
        ("2025-07-29T12:42:06.000Z", "2025-07-29"),
        ("INVALID-DATE-FORMAT", None),
        ("Tue, 99 Oct 2024 12:34:56 -0500", None),
    ],
)
def test_a_date_is_read_or_noted(field: str, published: str | None) -> None:
    document = parse_eml(f"From: a@example.org\nDate: {field}\nTo: b@example.org\n\nIt is long.".encode())
    assert document.published == published
    assert bool(document.notes) == (published is None)


def test_a_page_kept_as_mail_has_the_address_it_came_from() -> None:
    page = "Content-Type: text/html\n\n<h1>The bridge</h1><p>It is long.</p>"
    style = "Content-Type: text/css\nContent-Location: https://example.org/a.css\n\np { color: red }"
    data = parts(page, style, kind="related").replace(
        b"Subject:", b"Snapshot-Content-Location: https://example.org/\nSubject:"
    )
    document = parse_eml(data)
    assert document.url == "https://example.org/"
    assert blocks(document) == [("heading", "The bridge"), ("text", "It is long.")]
    assert not document.notes


# ---------------------------------------------------------------- its text


def test_the_first_lines_of_a_mail_are_neither_title_nor_byline() -> None:
    document = parse_eml(HEAD + b"\nGood news\n\nBy Ola Dal\n\n3 May 2020\n\nThe bridge is open again. It is long.\n")
    assert (document.title, document.author, document.published) == ("The bridge", "Ida Berg", "2024-03-01")
    assert [kind for kind, _ in blocks(document)] == ["text"] * 4


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Die Brücke – „lang“"),
        ("iso-8859-1", "Die Brücke"),
        ("windows-1251", "Мост через реку закрыли весной."),
        ("koi8-r", "Мост через реку закрыли весной."),
        ("gb2312", "河上的大桥今年春天关闭了。"),
        ("iso-2022-jp", "橋は春から通行止めになった。"),
        ("shift_jis", "橋は春から通行止めになった。"),
        ("euc-kr", "강을 건너는 다리는 봄에 폐쇄되었다."),
    ],
)
@pytest.mark.parametrize("transfer", ["quoted-printable", "base64", "8bit"])
def test_a_text_is_read_in_its_encoding(charset: str, text: str, transfer: str) -> None:
    message = mail(None)
    message.set_content(text, charset=charset, cte=transfer)
    assert blocks(parse_eml(message.as_bytes())) == [("text", text)]


def test_a_text_in_another_encoding_than_declared_is_read_with_a_note() -> None:
    text = "Мост через реку закрыли весной, потому что водолазы нашли трещины."
    document = parse_eml(HEAD + b"Content-Type: text/plain; charset=iso-8859-1\n\n" + text.encode("cp1251"))
    assert blocks(document) == [("text", text)]
    assert document.notes == ("encoding guessed: cp1251",)


def test_a_mail_saved_in_utf_16_is_read_like_any_other() -> None:
    data = HEAD + "Content-Type: text/plain; charset=utf-8\n\nDie Brücke ist lang.\n".encode()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        assert parse_eml(data.decode().encode(encoding)) == parse_eml(data)


def test_quotations_lose_their_marks_and_stay_text() -> None:
    document = parse_eml(
        HEAD + b"\nIt is.\n\nOn Monday Ola wrote:\n> Is it long?\n>\n>> It is old.\n> > And wide.\nYes.\n"
    )
    assert [text for kind, text in blocks(document) if kind == "text"] == [
        *("It is.", "On Monday Ola wrote:", "Is it long?", "It is old.", "And wide.", "Yes."),
    ]


@pytest.mark.parametrize("sign", ["-- ", "--", "-----BEGIN PGP SIGNATURE-----"])
def test_a_signature_is_boilerplate_and_what_is_quoted_below_is_not(sign: str) -> None:
    text = f"The bridge is long.\n\n{sign}\nIda Berg\nOstvik\n\nOn Monday, 1 March, Ola wrote:\n> It is old.\n"
    found = blocks(parse_eml(HEAD + b"\n" + text.encode()))
    assert [text for kind, text in found if kind == "text"] == [
        "The bridge is long.",
        "On Monday, 1 March, Ola wrote:",
        "It is old.",
    ]
    assert ("boilerplate", "Ida Berg") in found


def test_a_line_of_two_dashes_above_much_text_begins_no_signature() -> None:
    text = "The bridge\n--\n" + "It is long. It is old.\n" * 20
    assert ("text", "It is long. It is old.") in blocks(parse_eml(HEAD + b"\n" + text.encode()))


def test_the_signature_of_an_html_mail_is_boilerplate() -> None:
    page = "<div>The bridge is long.</div><div>-- <br>Ida Berg</div><div>Ostvik</div>"
    found = blocks(parse_eml(HEAD + b"Content-Type: text/html\n\n" + page.encode()))
    assert found == [("text", "The bridge is long."), ("boilerplate", "--\nIda Berg"), ("boilerplate", "Ostvik")]


# ---------------------------------------------------------------- its parts


def alternatives(plain: str, html: str) -> bytes:
    return parts(f"Content-Type: text/plain\n\n{plain}", f"Content-Type: text/html\n\n{html}", kind="alternative")


def test_plain_text_is_preferred_to_the_same_as_html() -> None:
    document = parse_eml(alternatives(LONG, f"<h1>The bridge</h1><p>{LONG}</p>"))
    assert blocks(document) == [("text", LONG)]


@pytest.mark.parametrize(
    "plain", ["", "See the HTML.", "https://example.org/a/very/long/link/that/says/nothing?at=all&of=it"]
)
def test_html_is_read_where_it_holds_far_more(plain: str) -> None:
    document = parse_eml(alternatives(plain, f"<h1>The bridge</h1><p>{LONG}</p>"))
    assert blocks(document) == [("heading", "The bridge"), ("text", LONG)]


def test_attachments_are_named_and_not_read() -> None:
    message = mail(LONG)
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment("Not read.", filename="b\u00fc.txt")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png")
    document = parse_eml(message.as_bytes())
    assert blocks(document) == [("text", LONG)]
    assert document.notes == ("3 attachments not read: a.pdf, bü.txt, unnamed image/png",)


def test_a_mail_of_attachments_only_is_skipped_and_says_so() -> None:
    message = mail(None)
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    assert refused(message.as_bytes()) == ("skipped", "no text in it; 1 attachment not read: a.pdf")
    assert refused(HEAD) == ("skipped", "no text in it")


def test_mails_inside_a_mail_are_read_in_order_under_their_subjects() -> None:
    inner = mail(
        "It is old.",
        sender="Ola Dal <ola@example.org>",
        subject="=?utf-8?q?=C3=85rsak?=",
        Date="1 Mar 2021 10:00 +0000",
    )
    forwarded = [("heading", "Årsak"), ("boilerplate", "Ola Dal, 2021-03-01"), ("text", "It is old.")]
    message = mail("The bridge is long.")
    message.add_attachment(inner)
    assert blocks(parse_eml(message.as_bytes())) == [("text", "The bridge is long."), *forwarded]
    digest = parts("\n" + inner.as_string(), "\nSubject: Two\n\nIt is wide.", kind="digest")
    assert blocks(parse_eml(digest)) == [*forwarded, ("heading", "Two"), ("text", "It is wide.")]


@pytest.mark.parametrize(
    "data",
    [
        parts("Content-Type: application/pgp-encrypted\n\nVersion: 1", "\n\nhIwD", kind="encrypted"),
        HEAD + b"Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64\n\nMIIB",
        HEAD + b"\n-----BEGIN PGP MESSAGE-----\n\nhIwDY32hYGCE8MkBA\n-----END PGP MESSAGE-----\n",
    ],
)
def test_an_encrypted_mail_is_a_failure(data: bytes) -> None:
    assert refused(data) == ("failed", "encrypted: save a copy without encryption")


def test_a_part_that_cannot_be_decoded_is_noted_beside_the_others() -> None:
    bad = (
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(bytes(range(256)) * 4).decode()
    )
    document = parse_eml(parts(f"Content-Type: text/plain\n\n{LONG}", bad))
    assert blocks(document) == [("text", LONG)]
    assert document.notes == ("a part was not read: not text",)
    assert refused(parts(bad)) == ("failed", "not text")


def test_several_mails_in_one_file_are_refused() -> None:
    one = b"From ida@example.org Fri Mar 01 23:30:00 2024\n" + HEAD + b"\nThe bridge is long.\n\n"
    assert blocks(parse_eml(one)) == [("text", "The bridge is long.")]
    assert refused(one * 2) == ("failed", "several mails in one file: save each as a file of its own")


def test_parts_nested_without_end_are_refused() -> None:
    deep = b"Content-Type: message/rfc822\n\n" * 100
    assert refused(HEAD + deep + b"\nText.")[0] == "failed"
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (i, i) for i in range(100))
    assert refused(HEAD + b"MIME-Version: 1.0\n" + nested + b"\nText.")[0] == "failed"
    assert refused(HEAD + b"MIME-Version: 1.0\n" + nested * 4 + b"\nText.") == ("failed", "more than 300 parts")
    flat = ["Content-Type: text/plain\n\nText."] * 400
    assert refused(parts(*flat))[0] == "failed"


def test_a_multipart_mail_without_its_parts_is_read_as_it_stands() -> None:
    data = HEAD + b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\nThe bridge is long.\n"
    assert blocks(parse_eml(data)) == [("text", "The bridge is long.")]


# ---------------------------------------------------------------- for any mail

_WHOLE = mail(LONG)
_WHOLE.add_alternative(f"<p>{LONG}</p>", subtype="html")
_WHOLE.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="b\u00fc.pdf")
_WHOLE.add_attachment(mail("It is old.", subject="Årsak"))
_SAMPLES = [
    HEAD + b"\nThe bridge is long.\n\n-- \nIda\n",
    _WHOLE.as_bytes(),
    parts("Content-Type: text/plain\n\nText."),
]
_PIECES = [
    b"\0",
    b"\xff",
    b"\n",
    b"\n\n",
    b"=",
    b"?=",
    b"=?utf-8?q?",
    b";",
    b'"',
    b"(",
    b"<",
    b":",
    b"*0*=",
    b"charset=x",
    b"--b",
]
_EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(_PIECES)), max_size=8)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(_SAMPLES), _EDITS)
@example(b"Content-Type: text/plain; charset*=x'y'z\n\n\xff", [])
@example(b"Content-Type: =?\nFrom: " + b"(" * 5000 + b"\nSubject: =?utf-8?b?a?=\n\nText", [])
@example(b'Content-Disposition: attachment; filename*0*=a; filename*2="\nContent-Type: a/b\n\n', [])
def test_a_damaged_mail_is_read_or_refused(data: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for place, length, piece in edits:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + length :]
    looks_like_eml(data)
    article_or_none(lambda: to_article(parse_eml(data), "a.eml"))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_as_mail_or_refused(data: bytes) -> None:
    looks_like_eml(data)
    with contextlib.suppress(Unloadable):
        assert isinstance(parse_eml(data), Document)


def test_real_mails_are_read(evaluation_data: Callable[[str], Path]) -> None:
    outcomes: dict[str, str] = {}
    for path in evaluation_data("datasets/messy_documents/files").iterdir():
        data = path.read_bytes()
        if looks_like_eml(data):
            try:
                outcomes[path.name] = to_article(parse_eml(data), path.name).text
            except Unloadable as error:
                outcomes[path.name] = error.state
    assert {name for name in outcomes if not name.endswith(".eml")} == {"fake-email.txt"}
    assert len(outcomes) == 39
    assert [name for name, text in outcomes.items() if text == "failed"] == ["fake-encrypted.eml"]
    assert [name for name, text in outcomes.items() if text == "skipped"] == ["mime-no-body.eml"]
    assert outcomes["fake-email-utf-16-le.eml"] == outcomes["fake-email.eml"]
    assert outcomes["mime-multipart-digest.eml"].index("First Message") < outcomes["mime-multipart-digest.eml"].index(
        "Third"
    )
