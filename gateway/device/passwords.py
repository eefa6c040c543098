"""Passwords as the device keeps them: salted scrypt, never in clear.

A stored password is ``scrypt$n$r$p$salt$key`` with salt and key in hexadecimal. Checking one takes
about 16 MiB and some 50 ms of a small computer, which is the point.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

#: Cost, block size and parallelism: 128 * n * r = 16 MiB.
COST: Final = 2**14
BLOCK_SIZE: Final = 8
PARALLELISM: Final = 1
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
#: Longest password that is hashed; a longer one is refused before any work is done.
PASSWORD_MAX: Final = 128

_STORED: Final = re.compile(
    r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([0-9a-f]{32})\$([0-9a-f]{64})"
)
#: Costs beyond these come from a file that wants the device to stand still.
_COST_MAX: Final = 2**16
_BLOCK_SIZE_MAX: Final = 16
_PARALLELISM_MAX: Final = 4


def hashed(password: str, salt: bytes) -> str:
    """What is stored for `password`; `salt` is `SALT_BYTES` of `Runtime.entropy`.

    Raises ValueError for a password beyond `PASSWORD_MAX` characters or a salt of another length.
    """
    if len(password) > PASSWORD_MAX:
        raise ValueError(f"a password has at most {PASSWORD_MAX} characters")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    key = _key(password, salt, COST, BLOCK_SIZE, PARALLELISM)
    return f"scrypt${COST}${BLOCK_SIZE}${PARALLELISM}${salt.hex()}${key.hex()}"


def matches(password: str, stored: str) -> bool:
    """Whether `password` is the one that is stored; no password matches a bad or empty `stored`."""
    match = _STORED.fullmatch(stored)
    if match is None or not is_stored(stored) or len(password) > PASSWORD_MAX:
        return False
    cost, block_size, parallelism = (int(number) for number in match.groups()[:3])
    salt, key = bytes.fromhex(match[4]), bytes.fromhex(match[5])
    return hmac.compare_digest(_key(password, salt, cost, block_size, parallelism), key)


def is_stored(text: str) -> bool:
    """Whether a text has the form of a stored password, with costs that can be afforded."""
    match = _STORED.fullmatch(text)
    if match is None:
        return False
    cost, block_size, parallelism = (int(number) for number in match.groups()[:3])
    is_power_of_two = cost > 1 and cost & (cost - 1) == 0
    in_range = 0 < block_size <= _BLOCK_SIZE_MAX and 0 < parallelism <= _PARALLELISM_MAX
    # OpenSSL takes no N from 2^(16 r) on, which only r = 1 comes near.
    return is_power_of_two and cost <= _COST_MAX and in_range and cost < 1 << 16 * block_size


def _key(password: str, salt: bytes, cost: int, block_size: int, parallelism: int) -> bytes:
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"),
        salt=salt,
        n=cost,
        r=block_size,
        p=parallelism,
        # Twice what OpenSSL needs, whatever the costs: blocks for N, for p, and two of its own.
        maxmem=2 * 128 * block_size * (cost + parallelism + 2),
        dklen=KEY_BYTES,
    )
