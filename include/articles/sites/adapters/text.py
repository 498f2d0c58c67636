"""Text of a site's answers: bytes by their charset, and headings without markup."""

import codecs
import re
from collections import Counter
from typing import Any

import webencodings

HEAD_BYTES = 4_096
"""Beginning of a page in which it may declare its charset."""
_LARGER = {
    "gbk": webencodings.Encoding("gb18030", codecs.lookup("gb18030")),
    "euc-jp": webencodings.Encoding("euc-jp", codecs.lookup("euc_jis_2004")),
}
"""Encodings with characters that browsers decode, and Python under the same name does not."""
_XML = re.compile(rb"""\s*<\?xml\b[^>]*\bencoding\s*=\s*["']([^"'>]+)""", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
_INVISIBLE = "script, style, template, noscript"
_BREAKS = (
    "br, hr, p, div, section, header, footer, ul, ol, li, dl, dt, dd, h1, h2, h3, h4, h5, h6, blockquote, figure, "
    "figcaption, table, tr, td, th"
)
"""Elements that stand apart from the text around them."""
MAX_DEPTH = 1_000
"""Nested elements of a page; the time to parse more of them grows with their square."""
MAX_HEADING_CHARACTERS = 20_000
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/<>]*)[^<>]*")
_CLOSED = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "option",
        "optgroup",
        "colgroup",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
    ]
)
"""Elements that have no content, or that end without a tag where the next begins."""
_JOINT = "\x1f"
"""Mark at both ends of a span, which separates words if letters or digits are on both sides."""


def decode(body: bytes, charset: str | None) -> str:
    """
    Decode a page as browsers do, by the labels of the WHATWG Encoding Standard.

    A byte-order mark counts before the charset of the headers, this before the one that the page declares; without
    any that is known, the page is UTF-8.

    Args:
        body: the page.
        charset: the charset of the headers.
    """
    lookup = webencodings.lookup
    encoding = lookup(charset or "") or lookup(_declared(body[:HEAD_BYTES])) or webencodings.UTF8
    return webencodings.decode(body, _LARGER.get(encoding.name, encoding))[0]


def is_too_deep(html: str) -> bool:
    """Check whether more than `MAX_DEPTH` elements may be nested, before a parser takes minutes to find out."""
    opened: Counter[str] = Counter()
    depth = 0
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        if tag[1]:
            if opened[name]:
                opened[name] -= 1
                depth -= 1
        elif name not in _CLOSED and not tag[0].endswith("/"):
            opened[name] += 1
            depth += 1
            if depth > MAX_DEPTH:
                return True
    return False


def heading_text(node: Any) -> str:
    """
    Return the text of an HTML element in one line.

    Line breaks and blocks separate words; so do spans, unless they are a single letter or touch punctuation.

    Args:
        node: an element of selectolax, which is changed.
    """
    if len(node.text()) > MAX_HEADING_CHARACTERS:
        return " ".join(node.text()[:MAX_HEADING_CHARACTERS].split())
    for each in node.css(_INVISIBLE):
        each.decompose()
    for each in node.css(_BREAKS):
        _surround(each, " ")
    for each in node.css("span"):
        if len(each.text().strip()) > 1:
            _surround(each, _JOINT)
    text = re.sub(rf"(?<=\w){_JOINT}+(?=\w)", " ", node.text()).replace(_JOINT, "")
    return " ".join(text.split())


def _surround(node: Any, text: str) -> None:
    node.insert_before(text)
    node.insert_after(text)


def _declared(head: bytes) -> str:
    """Return the charset that a page declares, as `<meta charset>`, `<meta http-equiv>` or in XML; empty if none."""
    if found := _XML.match(head):
        return found[1].decode("latin-1")
    from selectolax.lexbor import LexborHTMLParser

    for meta in LexborHTMLParser(head.decode("latin-1")).css("meta"):
        label = meta.attributes.get("charset")
        if (meta.attributes.get("http-equiv") or "").lower() == "content-type":
            content = _CHARSET.search(meta.attributes.get("content") or "")
            label = label or (content[1] if content else None)
        if label and (known := webencodings.lookup(label)):
            return "utf-8" if known.name.startswith("utf-16") else label  # what declares itself in ASCII is not UTF-16
    return ""
