"""Names as Kubernetes takes them. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""

from __future__ import annotations

import re

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


def is_label(text: str) -> bool:
    """A namespace's name (RFC 1123), and a part of every domain's."""
    return len(text) <= 63 and _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """The name of most objects: labels with dots between them."""
    return len(text) <= 253 and all(is_label(part) for part in text.split("."))


def is_hostname(text: str) -> bool:
    """A domain's name, or ``*.`` and one."""
    return is_subdomain(text.removeprefix("*."))


def is_label_value(text: str) -> bool:
    """The value of an object's label; it may be empty."""
    return not text or (len(text) <= 63 and _QUALIFIED.fullmatch(text) is not None)


def is_label_key(text: str) -> bool:
    """The key of an object's label: a name, and before it a domain or none."""
    prefix, slash, name = text.rpartition("/")
    return bool(name) and is_label_value(name) and (not slash or is_subdomain(prefix))
