"""URLs of a server: TLS, passwords from file and environment, and words for whoever gets them wrong."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from query.reader import Reader
from schemas.errors import QueryError, SettingsError
from sinks.clickhouse import connect
from sinks.clickhouse.server import PASSWORD_VARIABLE, Address, address
from testbed.clickhouse import ServerProcess
from testbed.clickhouse.faults import Fault

PASSWORD = "s3cret & more"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Path]]:
    """HOST:PORT, certificate and password file of a server with TLS and a user."""
    folder = tmp_path_factory.mktemp("secured")
    cert_file, key_file = certificate(folder)
    secret = folder / "password"
    secret.write_text(PASSWORD + "\n")
    arguments = ("--user", "telltale", "--password-file", str(secret))
    tls = ("--tls-cert", str(cert_file), "--tls-key", str(key_file))
    with ServerProcess(folder / "server", *arguments, *tls) as server:
        yield f"127.0.0.1:{server.port}", cert_file, secret


def test_a_password_comes_from_a_file(secured: tuple[str, Path, Path]) -> None:
    host, ca, secret = secured
    client = connect(f"https://telltale@{host}/default?ca_file={ca}&password_file={secret}")
    assert client.query("SELECT 7").result_rows == [(7,)]
    client.close()


def test_a_password_comes_from_the_environment_before_the_url(
    secured: tuple[str, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, ca, _ = secured
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    connect(f"clickhouses://telltale:wrong@{host}?ca_file={ca}").close()


def test_a_wrong_password_is_refused_with_the_repair_and_is_never_shown(secured: tuple[str, Path, Path]) -> None:
    host, ca, _ = secured
    with pytest.raises(SettingsError) as refused:
        connect(f"https://telltale:hunter2@{host}?ca_file={ca}")
    assert "password_file=FILE" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_unknown_authority_is_refused_with_the_repair(secured: tuple[str, Path, Path]) -> None:
    with pytest.raises(SettingsError, match="ca_file=FILE"):
        connect(f"https://telltale@{secured[0]}")


async def test_the_reader_asks_over_tls_and_can_change_nothing(secured: tuple[str, Path, Path]) -> None:
    host, ca, secret = secured
    reader = Reader(f"https://telltale@{host}?ca_file={ca}&password_file={secret}", timeout_s=5)
    found = await reader.query("SELECT number, {x:String} AS x FROM numbers(2)", {"x": "it's"})
    assert found.as_dicts() == [{"number": 0, "x": "it's"}, {"number": 1, "x": "it's"}]
    for sql, code in (
        ("CREATE TABLE t (a Int8) ENGINE = Memory", "not_allowed"),
        ("SELECT * FROM nowhere", "unknown_table"),
        ("SELECT sum(number) FROM numbers(1000000000000)", "timeout"),
        ("SELEC", "syntax"),
    ):
        with pytest.raises(QueryError) as refused:
            await reader.query(sql)
        assert refused.value.code == code, sql
        assert host not in str(refused.value)
    reader.close()


async def test_a_reader_whose_store_goes_away_says_so(server: ServerProcess) -> None:
    reader = Reader(server.url)
    await reader.query("SELECT 1")
    server.fault(Fault("cut", on="any"))
    with pytest.raises(QueryError) as refused:
        await reader.query("SELECT 1")
    assert (refused.value.code, refused.value.status) == ("store_unavailable", 503)
    server.fault()
    assert (await reader.query("SELECT 1")).rows == [[1]]
    reader.close()


async def test_a_reader_without_a_store_says_so() -> None:
    reader = Reader("http://127.0.0.1:1/")
    with pytest.raises(QueryError) as refused:
        await reader.query("SELECT 1")
    assert (refused.value.code, refused.value.status) == ("store_unavailable", 503)
    reader.close()


@pytest.mark.parametrize(
    ("url", "repair"),
    [
        ("http://host:99999/", "port"),
        ("http://", "no host"),
        ("http://host/?verify=no", "takes no 'verify'"),
        ("http://host/?compress=rar", "lz4 or zstd"),
        ("https://host/?ca_file=/no/such/file", "no file /no/such/file"),
        ("http://host/?password_file=/no/such/file", "password file /no/such/file cannot be read"),
    ],
)
def test_an_url_that_cannot_work_says_what_to_write(url: str, repair: str) -> None:
    with pytest.raises(SettingsError, match=repair):
        connect(url)


def test_an_url_is_taken_apart() -> None:
    found = address("clickhouses://me%40home:p%2Fw@db.example/telltale?ca_file=/ca.pem&compress=lz4")
    assert found == Address("https", "db.example", 8443, "me@home", "p/w", "telltale", "/ca.pem", "", "lz4")
    assert found.shown == "https://me@home@db.example:8443/telltale"
    assert PASSWORD_VARIABLE not in os.environ
