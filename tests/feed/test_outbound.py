"""Where nothing is ever sent, and what becomes of a post, against real servers."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import PermanentSinkError, RetryableSinkError, SettingsError, SinkError
from sinks.outbound import Outbound, check_url, forbidden
from sinks.webhook import Delivery, Webhook, WebhookSink
from tests.feed.receivers import receiver, status

SECRET = "0123456789abcdef"
FORBIDDEN = [
    "169.254.169.254", "169.254.0.1", "0.0.0.0", "0.1.2.3", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "fe80::1", "febf::1", "fec0::1", "ff02::1",
    "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
]  # fmt: skip
ALLOWED = ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.7", "172.16.0.1", "8.8.8.8", "2606:4700::1111", "fd12:3456::1",
           "::ffff:10.0.0.1", "100.64.0.1"]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_link_local_and_metadata_addresses_are_forbidden_however_they_are_written(address: str) -> None:
    assert forbidden(ipaddress.ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(SettingsError, match="nothing is sent to"):
        check_url(f"http://{literal}/latest/meta-data", "webhook")


@pytest.mark.parametrize("address", ALLOWED)
def test_other_addresses_are_not(address: str) -> None:
    assert not forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url", ["", "hooks.example.com", "ftp://h/x", "file:///etc/passwd", "http://", "http://h:0/", "http://h:99999/",
            "http://user:pass@h/", "http://h/#x", "http://[::1/", "unix:///run/x",
            "http://h/ü", "http://h/a b", "http://h/\x00", "http://h/\n", "http://bücher.example/"]
)  # fmt: skip
def test_what_is_no_address_of_a_target_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="webhook"):
        check_url(url, "webhook")


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Name service that gives these answers, one after the other; a test has no name of its own in the real one."""
    asked: list[str] = []

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


async def post(url: str, timeout_s: float = 5.0) -> None:
    outbound = Outbound(url, timeout_s)
    try:
        await outbound.post(b"{}", {"idempotency-key": "k"})
    finally:
        await outbound.close()


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["127.0.0.1", "169.254.169.254"], ["::ffff:169.254.169.254"], ["fe80::1%eth0"]],
)
async def test_a_name_that_leads_to_a_forbidden_address_is_not_spoken_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as got:
        names(monkeypatch, addresses)
        with pytest.raises(PermanentSinkError, match="link-local or metadata"):
            await post(got.url.replace("127.0.0.1", "hooks.example.com"))
        assert got.requests == []


async def test_a_name_is_looked_up_once_and_the_checked_address_is_the_one_spoken_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with receiver() as got:
        asked = names(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        url = got.url.replace("127.0.0.1", "hooks.example.com")
        await post(url)
        assert asked == ["hooks.example.com"]
        [(headers, _)] = got.requests
        assert headers["host"].startswith("hooks.example.com")
        with pytest.raises(PermanentSinkError):  # rebound: the next connection is checked as the first
            await post(url)
        assert len(got.requests) == 1


async def test_the_second_address_is_tried_where_the_first_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as got:
        names(monkeypatch, ["127.9.9.9", "127.0.0.1"])
        await post(got.url.replace("127.0.0.1", "hooks.example.com"))
        assert len(got.requests) == 1


OUTCOMES = [
    (status(200), None, 0.0),
    (status(204), None, 0.0),
    (status(301, "location: http://169.254.169.254/"), PermanentSinkError, 0.0),
    (status(307, "location: /elsewhere"), PermanentSinkError, 0.0),
    (status(400), PermanentSinkError, 0.0),
    (status(401), PermanentSinkError, 0.0),
    (status(410), PermanentSinkError, 0.0),
    (status(408), RetryableSinkError, 0.0),
    (status(429, "retry-after: 7"), RetryableSinkError, 7.0),
    (status(503, "retry-after: 99999"), RetryableSinkError, 300.0),
    (status(503, "retry-after: Wed, 21 Oct 2026 07:28:00 GMT"), RetryableSinkError, 0.0),
    (status(500), RetryableSinkError, 0.0),
    (b"HTTP/1.1 2", RetryableSinkError, 0.0),
    (b"SSH-2.0-OpenSSH\r\n", RetryableSinkError, 0.0),
    (b"", RetryableSinkError, 0.0),
    (None, RetryableSinkError, 0.0),
    (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 500_000, RetryableSinkError, 0.0),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + b"z" * 100_000, None, 0.0),
]


@pytest.mark.parametrize(("answer", "error", "retry_after_s"), OUTCOMES)
async def test_what_the_receiver_answers_decides_whether_it_is_tried_again(
    answer: bytes | None, error: type[SinkError] | None, retry_after_s: float
) -> None:
    async with receiver(lambda _: answer) as got:
        if error is None:
            await post(got.url)
        else:
            with pytest.raises(error) as raised:
                await post(got.url, 1.0)
            assert getattr(raised.value, "retry_after_s", 0.0) == retry_after_s
        assert len(got.requests) == 1, "a redirect was followed, or a post repeated"


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "x" * 300, "no-such-name.invalid"])
async def test_a_name_that_cannot_be_resolved_is_tried_again(host: str) -> None:
    with pytest.raises(RetryableSinkError, match="ConnectError"):
        await post(f"http://{host}:9/")


async def test_nobody_there_is_tried_again() -> None:
    async with receiver() as got:
        url = got.url
    with pytest.raises(RetryableSinkError, match="ConnectError"):
        await post(url)


async def test_a_certificate_that_is_not_trusted_is_no_receiver(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-days", "1", "-subj", "/CN=localhost"], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    reached = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    with pytest.raises(RetryableSinkError, match=r"(?i)certificate"):
        await post(f"https://localhost:{server.sockets[0].getsockname()[1]}/")
    server.close()
    assert reached == []


async def test_a_delivery_is_signed_over_its_time_and_its_body() -> None:
    async with receiver() as got:
        sink = WebhookSink(Webhook("w", got.url, SECRET), clock=lambda: 1_767_603_600.9)
        await sink.start()
        await sink.write(Delivery("f-1", '{"ü": 1}'.encode()))
        await sink.close()
        [(headers, body)] = got.requests
    expected = hmac.new(SECRET.encode(), b"1767603600." + body, "sha256").hexdigest()
    assert headers["telltale-signature"] == f"t=1767603600,v1={expected}"
    assert headers["idempotency-key"] == "f-1"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"secret": "short"}, "16 characters"),
        ({"url": "http://169.254.169.254/"}, "nothing is sent"),
        ({"min_severity": "bad"}, "suspect, warning, critical"),
        ({"attempts": 0}, "attempts"),
        ({"timeout_s": 1e9}, "timeout_s"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Webhook(**{"name": "w", "url": "http://127.0.0.1/", "secret": SECRET, **changes})


def test_the_secret_is_in_no_text_about_the_webhook() -> None:
    assert SECRET not in repr(Webhook("w", "http://127.0.0.1/", SECRET))
