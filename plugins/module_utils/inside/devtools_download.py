# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fetches files over HTTP: piece by piece into a file, going on where it was cut off, a few times and never for ever."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from . import devtools_places as places
from .devtools_policy import refusal
from .devtools_work import Work
from .egress_machine import Failed, Machine

ATTEMPTS = 5
# Seconds: for one answer; without any progress; before the second attempt, and twice that before each further one.
ANSWER, PATIENCE, FIRST_WAIT, LONGEST_WAIT = 30.0, 120.0, 1.0, 30.0
MOST_BYTES = 2 << 30
_SMALL = 8 << 20
_CHUNK = 1 << 18
# These may pass; what else a server refuses with, it will refuse the next time too.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class Passing(Failed):
    """It may work the next time."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise Failed(f"{req.full_url} leads to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def settings_of(machine: Machine) -> dict[str, str]:
    """Proxies, as /etc/environment has them for everybody: a service does not get them from there by itself."""
    found = {}
    for line in (machine.read(places.ENVIRONMENT) or "").splitlines():
        with contextlib.suppress(ValueError):
            for word in shlex.split(line, comments=True):
                name, equals, value = word.partition("=")
                if equals and name.lower() in _PROXIES:
                    found[name] = value
    return found


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Redirects, urllib.request.HTTPSHandler(context=ssl.create_default_context()))


def download(work: Work, url: str, path: str, most: int = MOST_BYTES) -> None:
    """The whole of it at `path`. What an attempt has left there is gone on with; nobody else has to have written it."""

    def once(opener: urllib.request.OpenerDirector) -> None:
        _piece(work, opener, url, path, most)

    _again(work, url, once, lambda: _size(path))


def fetch(work: Work, url: str) -> Any:
    """A small JSON document."""
    found: list[bytes] = []

    def once(opener: urllib.request.OpenerDirector) -> None:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        with opener.open(request, timeout=work.left(ANSWER) or 0.1) as answer:
            found[:] = [answer.read(_SMALL + 1)]

    _again(work, url, once, lambda: 0)
    try:
        if len(found[0]) > _SMALL:
            raise ValueError
        return json.loads(found[0])
    except ValueError:
        raise Failed(f"what {url} has answered is no JSON, or too much of it") from None


def _again(work: Work, url: str, once: Any, progress: Any) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    opener, wait, attempt = _opener(), FIRST_WAIT, 0
    came, last = progress(), time.monotonic()
    while True:
        work.pause()
        refused = refusal(work.machine, host, port)
        if refused is not None:
            raise Failed(refused)
        try:
            _translated(once, opener, url, host)
            return
        except Passing as error:
            attempt += 1
            if progress() > came:
                came, last, attempt, wait = progress(), time.monotonic(), 1, FIRST_WAIT
            if attempt >= ATTEMPTS or time.monotonic() - last > PATIENCE:
                raise Failed(f"{error.message}; it was tried {attempt} times") from error
            work.note(f"{error.message}; trying again")
            work.sleep(max(wait, error.wait))
            wait = min(2 * wait, LONGEST_WAIT)


def _translated(once: Any, opener: urllib.request.OpenerDirector, url: str, host: str) -> None:
    """What went wrong, as something that passes or something that does not."""
    try:
        once(opener)
    except urllib.error.HTTPError as error:
        text = f"{url} cannot be had: {host} answers {error.code} {error.reason}"
        error.close()
        if error.code not in _PASSING:
            raise Failed(text) from None
        raise Passing(text, _seconds(error.headers)) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise Failed(f"the certificate of {host} is not valid: {error.reason.verify_message}") from None
        raise Passing(f"{host} cannot be reached: {_words(error.reason)}") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise Passing(f"the connection to {host} broke: {_words(error)}") from None
    except OSError as error:
        # The disk's own troubles do not pass by trying again.
        if error.filename is not None or error.errno in (28, 122):
            raise Failed(f"{error.filename or 'the download'} cannot be written: {error.strerror}") from None
        raise Passing(f"the connection to {host} broke: {_words(error)}") from None


def _words(reason: object) -> str:
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)


def _seconds(headers: Message | None) -> float:
    text = (headers.get("Retry-After") if headers else None) or ""
    return min(float(text), LONGEST_WAIT) if text.isdigit() else 0.0


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


def _piece(work: Work, opener: urllib.request.OpenerDirector, url: str, path: str, most: int) -> None:
    there = _size(path)
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = opener.open(request, timeout=work.left(ANSWER) or 0.1)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not there:
            raise
        # There is nothing after what is here: it is all of it, or something else. The checksum tells.
        error.close()
        if not (error.headers.get("Content-Range") or "").endswith(f"/{there}"):
            os.unlink(path)
            raise Passing(f"{url} is not as long as what is here already") from None
        return
    with answer:
        goes_on = bool(there) and answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {there}-")
        if there and answer.status == 206 and not goes_on:
            os.unlink(path)
            raise Passing(f"{url} goes on elsewhere than asked for")
        there = there if goes_on else 0
        wanted = answer.headers.get("Content-Length")
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_APPEND if goes_on else os.O_TRUNC)
        came = 0
        with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
            while True:
                data = answer.read(_CHUNK)
                if not data:
                    break
                came += len(data)
                if there + came > most:
                    raise Failed(f"{url} is bigger than {most >> 20} MiB")
                stream.write(data)
                work.pause()
        if wanted is not None and wanted.isdigit() and came != int(wanted):
            raise Passing(f"the connection broke after {there + came} bytes of {url}")
