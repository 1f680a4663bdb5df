"""Turns an empty folder into a key and a certificate for TLS on this host."""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.problem import Problem

# Clients refuse certificates that are valid for longer.
_LIFETIME = timedelta(days=397)
_LEAST_LEFT = timedelta(days=1)
# Clocks of containers differ a little.
_BEFORE = timedelta(hours=1)
_ADDRESSES = ("127.0.0.1", "::1")


def ensure_certificate(directory: Path) -> tuple[Path, Path]:
    """Paths of the certificate and its key, both PEM; made anew unless valid for another day.

    It is for localhost, 127.0.0.1 and ::1, and its own authority: a client that is told to
    trust it (SSL_CERT_FILE, NODE_EXTRA_CA_CERTS) needs nothing else. Only the owner can read
    the key.

    Raises:
        Problem: the folder cannot be written.
    """
    certificate_path, key_path = directory / "certificate.pem", directory / "key.pem"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not _usable(certificate_path, key_path):
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _sign(key, datetime.now(UTC))
            pem = serialization.Encoding.PEM
            key_text = key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            _replace(key_path, key_text)
            _replace(certificate_path, certificate.public_bytes(pem))
            certificate_path.chmod(0o644)
    except OSError as error:
        raise Problem(
            f"{directory}: the certificate for --tls cannot be kept there "
            f"({error.strerror or error}); choose a folder that can be written"
        ) from None
    return certificate_path, key_path


def _usable(certificate_path: Path, key_path: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        # It checks that the two belong together.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_path, key_path)
    except (FileNotFoundError, ValueError, ssl.SSLError):
        return False
    return certificate.not_valid_after_utc - datetime.now(UTC) > _LEAST_LEFT


def _sign(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rtbench on this host")])
    public = key.public_key()
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(a)) for a in _ADDRESSES)]
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName(names), False),
        # Strict verifiers want an authority to say so, and what its key is for.
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now - _BEFORE + _LIFETIME)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _replace(path: Path, content: bytes) -> None:
    """Write all or nothing; the file is the owner's alone from its first byte."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
