"""The certificates that this machine trusts beyond those of its distribution, so that a container behind the same proxy trusts them too."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
HOST_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def certificates(bundle: Path) -> dict[bytes, str]:
    """DER -> PEM; compared as DER, for two files may break the same lines differently."""
    try:
        text = bundle.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    return {ssl.PEM_cert_to_DER_cert(block): block for block in _BLOCK.findall(text)}


def missing_in(rootfs: Path, bundle: Path = HOST_BUNDLE) -> list[str]:
    known = certificates(rootfs / "etc/ssl/certs/ca-certificates.crt")
    return [pem for der, pem in certificates(bundle).items() if der not in known]
