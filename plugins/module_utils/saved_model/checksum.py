"""CRC32C, the checksum of Cloud Storage and of TensorFlow's tables, by google-crc32c."""

from __future__ import annotations

import base64
import traceback
from typing import Any

CRC32C_IMPORT_ERROR: str | None = None
try:
    import google_crc32c
except ImportError:
    CRC32C_IMPORT_ERROR = traceback.format_exc()


def new_crc32c() -> Any:
    """A running checksum: ``update(data)``, ``digest()``."""
    return google_crc32c.Checksum()


def value_of(data: bytes) -> int:
    """As a number."""
    return int(google_crc32c.value(data))


def in_base64(checksum: Any) -> str:
    """A running checksum's value as Cloud Storage writes it: big-endian, in base64."""
    return base64.b64encode(checksum.digest()).decode()


def crc32c(data: bytes) -> str:
    """Of data as a whole, as Cloud Storage writes it."""
    return in_base64(google_crc32c.Checksum(data))
