"""The keys under which raw bytes of quarantined records are kept, and the names of keys; imports nothing heavy.

`LANDFALL_RAW_KEY` holds one Fernet key or several, separated by commas: the first encrypts, all of them decrypt. So a
key that is rotated stays behind the new one for as long as there are records under it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


def key_id(key: bytes | None) -> str | None:
    """Return the first 8 hexadecimal digits of a key's SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8] if key else None


def split_keys(keys: bytes | None) -> list[bytes]:
    """Return the keys of a list separated by commas, the one that encrypts first."""
    return [key for part in (keys or b"").split(b",") if (key := part.strip())]


def raw_cipher(keys: bytes) -> MultiFernet:
    """Return what encrypts under the first of these keys and decrypts under any.

    Raises:
        ValueError: one of them is no Fernet key.
    """
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in split_keys(keys)])


def decrypt_raw(token: bytes, keys: bytes, named: str | None) -> bytes:
    """Return the bytes of a quarantined record.

    Args:
        token: what the quarantine holds in `raw`.
        keys: Fernet keys, separated by commas.
        named: what it holds in `key_id`.

    Raises:
        LookupError: none of the keys is the one that is named, or the bytes are not its.
    """
    from cryptography.fernet import InvalidToken

    known = [str(key_id(key)) for key in split_keys(keys)]
    if named not in known:
        raise LookupError(f"raw bytes are under key {named}; LANDFALL_RAW_KEY has {', '.join(known) or 'none'}: add it")
    try:
        return raw_cipher(keys).decrypt(token)
    except InvalidToken as error:
        raise LookupError(f"raw bytes are not what was encrypted under key {named}") from error


def key_ids(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the keys that an environment holds: `mask` and `raw`, those that are set."""
    raw = next(iter(split_keys(environ.get("LANDFALL_RAW_KEY", "").encode())), None)
    found = {"mask": key_id(environ.get("LANDFALL_MASK_KEY", "").encode()), "raw": key_id(raw)}
    return {name: named for name, named in found.items() if named}
