"""An AWX that is not one, and a certificate for it."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_awx import FakeAwx
from playbook import ROOT


@pytest.fixture(scope="session")
def awx_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed one for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("awx-tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "awx")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "awx.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "awx.key").write_bytes(private)
    return folder / "awx.pem", folder / "awx.key"


@pytest.fixture
def awx(awx_certificate: tuple[Path, Path]) -> Iterator[FakeAwx]:
    certificate, key = awx_certificate
    playbooks = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")]
    with FakeAwx(str(certificate), str(key), playbooks) as running:
        yield running
