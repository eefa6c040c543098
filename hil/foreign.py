"""What a gateway that is not ours shows besides Modbus: its files by FTP and its page by HTTP.

Credentials come from the environment at the moment of use and appear in no message.
"""

from __future__ import annotations

import ftplib
import urllib.error
import urllib.request
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hil.protocols import UnavailableError

if TYPE_CHECKING:
    from hil.resources import Credentials, NetworkGateway

#: How long one transfer may take, and how much of a page or a file is taken.
TRANSFER_LIMIT_S: Final = 20.0
TRANSFER_BYTES_MAX: Final = 4_000_000

_FTP_PORT: Final = 21


def credentials_of(name: str, gateway: NetworkGateway) -> Credentials | None:
    """Return the credentials of a gateway; `UnavailableError` names a variable that is not set."""
    try:
        return gateway.credentials()
    except LookupError as error:
        raise UnavailableError(f"gateway {name!r}: {error.args[0]}") from error


def fetch_file(name: str, gateway: NetworkGateway, path: str) -> bytes:
    """Fetch a file by FTP.

    Raises FileNotFoundError where the server has none such, `UnavailableError` for the rest.
    """
    assert gateway.files is not None, "asked for only where the entry has it"
    parts = urlsplit(gateway.files)
    secret = credentials_of(name, gateway)
    kind = ftplib.FTP_TLS if parts.scheme == "ftps" else ftplib.FTP
    data = BytesIO()

    def take(block: bytes) -> None:
        if data.tell() + len(block) > TRANSFER_BYTES_MAX:
            raise UnavailableError(f"gateway {name!r}: {path} has more than {TRANSFER_BYTES_MAX} B")
        data.write(block)

    try:
        with kind(timeout=TRANSFER_LIMIT_S) as ftp:
            ftp.connect(parts.hostname or "", parts.port or _FTP_PORT)
            ftp.login(secret.user if secret else "", secret.password if secret else "")
            ftp.retrbinary(f"RETR {parts.path.rstrip('/')}/{path}", take)
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            raise FileNotFoundError(f"gateway {name!r} has no file {path}") from error
        raise UnavailableError(f"gateway {name!r}: {parts.hostname}: {error}") from error
    except (OSError, EOFError, ftplib.Error) as error:
        raise UnavailableError(f"gateway {name!r}: {parts.hostname}: {error}") from error
    return data.getvalue()


def fetch_page(name: str, gateway: NetworkGateway) -> str:
    """Fetch the first page, with HTTP's own authentication where the entry has credentials."""
    assert gateway.page is not None, "asked for only where the entry has it"
    secret = credentials_of(name, gateway)
    handlers: list[urllib.request.BaseHandler] = []
    if secret is not None:
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, gateway.page, secret.user, secret.password)
        handlers = [
            urllib.request.HTTPBasicAuthHandler(passwords),
            urllib.request.HTTPDigestAuthHandler(passwords),
        ]
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(gateway.page, timeout=TRANSFER_LIMIT_S) as answer:
            return str(answer.read(TRANSFER_BYTES_MAX).decode("utf-8", "replace"))
    except (OSError, urllib.error.URLError) as error:
        raise UnavailableError(f"gateway {name!r}: {gateway.page}: {error}") from error
