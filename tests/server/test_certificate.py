from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bench.problem import Problem
from bench.server import certificate as subject
from bench.server.certificate import ensure_certificate


def meet(certificate: Path, key: Path, host: str, trust: Path) -> None:
    """A handshake of two ends in memory, checked as strictly as OpenSSL can."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    client_side = ssl.create_default_context(cafile=str(trust))
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_it_connects(host: str, tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path / "new" / "folder")
    meet(certificate, key, host, trust=certificate)


def test_it_is_for_no_other_host(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        meet(certificate, key, "example.org", trust=certificate)


def test_nobody_trusts_it_unasked(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path / "a")
    other, _ = ensure_certificate(tmp_path / "b")
    with pytest.raises(ssl.SSLCertVerificationError):
        meet(certificate, key, "localhost", trust=other)


NODE = """
const tls = require("tls");
const socket = tls.connect({host: "127.0.0.1", port: process.argv[1]}, () => {
  console.log(socket.authorized);
  socket.end();
});
socket.on("error", (error) => { console.log(error.code); });
"""
PYTHON = """
import socket, ssl, sys
context = ssl.create_default_context()
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as plain:
    with context.wrap_socket(plain, server_hostname="127.0.0.1"):
        print("true")
"""


@pytest.mark.parametrize(
    ("program", "variable"),
    [
        ([sys.executable, "-c", PYTHON], "SSL_CERT_FILE"),
        ([shutil.which("node"), "-e", NODE], "NODE_EXTRA_CA_CERTS"),
    ],
    ids=["python", "node"],
)
def test_runtimes_trust_it_by_their_variable(
    program: list[str | None], variable: str, tmp_path: Path
) -> None:
    if program[0] is None:
        pytest.skip("not installed here")
    certificate, key = ensure_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def test() -> str:
        server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            client = await asyncio.create_subprocess_exec(
                *[str(word) for word in program],
                str(port),
                stdout=subprocess.PIPE,
                env=os.environ | {variable: str(certificate)},
            )
            async with asyncio.timeout(10):
                out, _ = await client.communicate()
        return out.decode().strip()

    assert asyncio.run(test()) == "true"


def test_only_the_owner_reads_the_key(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(certificate.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificate.pem", "key.pem"]


def test_it_lasts_as_long_as_clients_allow(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(ensure_certificate(tmp_path)[0].read_bytes())
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert span == timedelta(days=397)
    assert certificate.not_valid_before_utc < datetime.now(UTC)


def test_it_is_kept_while_it_is_valid_for_a_day(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_LIFETIME", timedelta(days=1, hours=2))
    certificate, key = ensure_certificate(tmp_path)
    first = certificate.read_bytes(), key.read_bytes()
    ensure_certificate(tmp_path)
    assert (certificate.read_bytes(), key.read_bytes()) == first
    monkeypatch.setattr(subject, "_LEAST_LEFT", timedelta(days=1, hours=2))
    ensure_certificate(tmp_path)
    assert certificate.read_bytes() != first[0]
    assert key.read_bytes() != first[1]


@pytest.mark.parametrize("spoilt", ["certificate.pem", "key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nx\n", "another's"])
def test_what_cannot_be_used_is_replaced(
    spoilt: str, content: bytes | str | None, tmp_path: Path
) -> None:
    certificate, key = ensure_certificate(tmp_path / "mine")
    path = tmp_path / "mine" / spoilt
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        ensure_certificate(tmp_path / "other")
        path.write_bytes((tmp_path / "other" / spoilt).read_bytes())
    ensure_certificate(tmp_path / "mine")
    meet(certificate, key, "localhost", trust=certificate)


def test_a_folder_that_cannot_be_is_a_clear_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="--tls"):
        ensure_certificate(tmp_path / "file")
