# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an endpoint to an open WebSocket: TCP or unix socket, TLS, handshake. Nothing secret is sent here.

The socket is made here and not by the WebSocket library, so that no proxy of the environment gets in between and that each failure
can be named.
"""

from __future__ import annotations

import socket
import ssl
from types import ModuleType
from typing import Any

from .endpoint import Endpoint
from .errors import ConnectionFailed, MissingLibrary

# WebSocket opcodes (RFC 6455, section 5.2).
TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8


def library() -> ModuleType:
    """websocket-client, loaded when a WebSocket is wanted: most tasks use the shared session and need none."""
    try:
        import websocket
    except ImportError:
        raise MissingLibrary("websocket-client") from None
    return websocket


def open_websocket(endpoint: Endpoint, path: str, *, timeout: float) -> Any:
    """A connected `websocket.WebSocket`; `timeout` stays set on it."""
    websocket = library()
    sock = _connect(endpoint, timeout)
    try:
        ws = websocket.create_connection(
            endpoint.websocket_url(path),
            timeout=timeout,
            socket=sock,
            suppress_origin=True,
            redirect_limit=0,
            enable_multithread=True,
            # In Python, letter by letter: a second for each megabyte. The JSON parser checks it as well.
            skip_utf8_validation=True,
        )
    except websocket.WebSocketBadStatusException as error:
        sock.close()
        raise ConnectionFailed(_no_upgrade(endpoint, path, error.status_code)) from None
    except (websocket.WebSocketException, OSError, ValueError) as error:
        sock.close()
        raise ConnectionFailed(f"{endpoint.label}: no WebSocket at {path} ({_text(error)}); is this a TrueNAS 25.04 or later?") from None
    except BaseException:
        sock.close()
        raise
    # With redirects off the library takes a redirection for a success.
    if ws.getstatus() != 101:
        status = ws.getstatus()
        ws.shutdown()
        raise ConnectionFailed(_no_upgrade(endpoint, path, status))
    return ws


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Certificates checked against the system's store, or against `ca_file` alone, or not at all."""
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConnectionFailed(f"ca_file {endpoint.ca_file}: no certificates can be read from it ({_text(error)})") from None
    if not endpoint.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def distrust(endpoint: Endpoint, reason: str) -> str:
    """What to say of a certificate that does not hold."""
    return (
        f"{endpoint.label}: its certificate is not trusted ({reason}). Name a file with the certificate, or with the one that signed it,"
        " as ca_file; or switch the check off with insecure"
    )


def _connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    if endpoint.unix_path is not None:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(timeout)
        try:
            plain.connect(endpoint.unix_path)
        except OSError as error:
            plain.close()
            raise ConnectionFailed(f"{endpoint.label}: no connection ({_text(error)})") from None
        return plain
    # Before the connection: a ca_file that cannot be read is told even when the appliance is down.
    context = tls_context(endpoint) if endpoint.scheme == "wss" else None
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
    except socket.gaierror as error:
        raise ConnectionFailed(f"{endpoint.label}: the host name cannot be resolved ({_text(error)})") from None
    except TimeoutError:
        raise ConnectionFailed(f"{endpoint.label}: no connection to port {endpoint.port} within {timeout:g} s") from None
    except OSError as error:
        raise ConnectionFailed(f"{endpoint.label}: no connection to port {endpoint.port} ({_text(error)})") from None
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise ConnectionFailed(distrust(endpoint, error.verify_message)) from None
    except OSError as error:
        plain.close()
        raise ConnectionFailed(f"{endpoint.label}: no TLS on port {endpoint.port} ({_text(error)})") from None


def _no_upgrade(endpoint: Endpoint, path: str, status: int | None) -> str:
    return f"{endpoint.label}: HTTP status {status} instead of a WebSocket at {path}; is this a TrueNAS 25.04 or later?"


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
