# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which versions of the API an appliance speaks: plain HTTP, no login."""

from __future__ import annotations

import warnings
from typing import Any

from .endpoint import Endpoint
from .errors import ConnectionFailed, MissingLibrary
from .transport import distrust, tls_context


def api_versions(endpoint: Endpoint, *, timeout: float = 15.0) -> list[str]:
    """`["v25.04.0", ..., "v25.10.5"]`, as the appliance lists them."""
    try:
        import requests
    except ImportError:
        raise MissingLibrary("requests") from None
    if endpoint.unix_path is not None:
        raise ConnectionFailed(f"{endpoint.label}: the list of versions is not to be had over a unix socket")
    url = endpoint.http_url("/api/versions")
    with requests.Session() as session, warnings.catch_warnings():
        # Who has switched the check off need not be told at each call.
        warnings.simplefilter("ignore")
        # No proxy, no .netrc: the appliance is asked directly, as by the WebSocket.
        session.trust_env = False
        if endpoint.scheme == "wss" and endpoint.verify_tls and endpoint.ca_file is None:
            session.mount("https://", _our_trust(endpoint))
        verify = endpoint.ca_file if endpoint.verify_tls and endpoint.ca_file else endpoint.verify_tls
        try:
            response = session.get(url, timeout=timeout, verify=verify, allow_redirects=False)
        except requests.exceptions.SSLError as error:
            raise ConnectionFailed(distrust(endpoint, _innermost(error))) from None
        except OSError as error:
            # requests' own errors are OSErrors, and so is a ca_file that cannot be read.
            raise ConnectionFailed(f"{endpoint.label}: no answer from {url} ({_innermost(error)})") from None
    if response.status_code != 200:
        raise ConnectionFailed(f"{endpoint.label}: HTTP status {response.status_code} from {url}; is this a TrueNAS 25.04 or later?")
    try:
        versions = response.json()
    except ValueError:
        versions = None
    if not isinstance(versions, list) or not all(isinstance(version, str) for version in versions):
        raise ConnectionFailed(f"{endpoint.label}: {url} does not list versions; is this a TrueNAS 25.04 or later?")
    return versions


def _our_trust(endpoint: Endpoint) -> Any:
    """Checks certificates as the WebSocket does: against the system's store, which `requests` would not look into."""
    from requests.adapters import HTTPAdapter

    context = tls_context(endpoint)

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
            return super().init_poolmanager(*args, ssl_context=context, **kwargs)

    return Adapter()


def _innermost(error: BaseException) -> str:
    """The cause that says something; the layers above repeat it with their own names around."""
    while True:
        below = getattr(error, "reason", None) or error.__cause__ or error.__context__ or (error.args[0] if error.args else None)
        if not isinstance(below, BaseException) or below is error:
            break
        error = below
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
