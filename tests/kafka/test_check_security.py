"""What `telltale check` says of a broker that does not let us in: one broker with a listener of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.settings import Settings
from pipeline.transport.kafka_probe import Probed, probe
from testbed.kafka import Broker, NoBrokerError, free_port, libraries
from tests.clickhouse.test_server_url import certificate

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_me="right password";'


class Secured(NamedTuple):
    """HOST:PORT of each listener, and the certificate of the one with TLS."""

    plain: str
    sasl: str
    tls: str
    certificate: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    try:
        libraries()
    except NoBrokerError as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("secured")
    cert_file, key_file = certificate(folder)
    store = folder / "keystore.pem"
    store.write_text(key_file.read_text() + cert_file.read_text())
    broker = Broker(folder / "broker")
    ports = {"PLAINTEXT": broker.port, "SASL_PLAINTEXT": free_port(), "SSL": free_port()}
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    controller = free_port()
    # the last of two lines for one property holds
    with (folder / "broker" / "server.properties").open("a") as properties:
        properties.write(f"listeners={listeners},CONTROLLER://127.0.0.1:{controller}\n")
        properties.write(f"advertised.listeners={listeners}\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n")
        properties.write(
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL\n"
        )
        properties.write(f"sasl.enabled.mechanisms=PLAIN\nlistener.name.sasl_plaintext.plain.sasl.jaas.config={JAAS}\n")
        properties.write(f"ssl.keystore.type=PEM\nssl.keystore.location={store}\n")
    broker.start()
    plain, sasl, tls = (f"127.0.0.1:{port}" for port in ports.values())
    yield Secured(plain, sasl, tls, cert_file)
    broker.stop()


async def probed(server: str, **settings: Any) -> Probed:
    return await probe(Settings(broker_url=f"kafka://{server}", **settings), server, 30)


async def test_who_knows_how_is_let_in(secured: Secured) -> None:
    sasl = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN", "kafka_username": "me"}
    for found in (
        await probed(secured.plain),
        await probed(secured.sasl, **sasl, kafka_password="right password"),
        await probed(secured.tls, kafka_security_protocol="SSL", kafka_tls_ca_file=str(secured.certificate)),
    ):
        assert (found.trouble, found.like) == ("", "4.1")


@pytest.mark.parametrize(
    ("listener", "settings", "trouble", "repair"),
    [
        pytest.param(
            "sasl",
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"},
            "refuses user 'me' or the password (PLAIN)",
            "kafka_password_file",
            id="password",
        ),
        pytest.param(
            "sasl",
            {"kafka_security_protocol": "SASL_PLAINTEXT"},
            "does not take SCRAM-SHA-512",
            "kafka_sasl_mechanism",
            id="mechanism",
        ),
        pytest.param("sasl", {}, "closed the connection", "kafka_security_protocol", id="nobody to SASL"),
        pytest.param("tls", {"kafka_security_protocol": "SSL"}, "not trusted", "kafka_tls_ca_file", id="authority"),
        pytest.param("tls", {}, "closed the connection", "kafka_security_protocol", id="plain to TLS"),
    ],
)
async def test_who_does_not_is_told_what_to_set(
    secured: Secured, listener: str, settings: dict[str, Any], trouble: str, repair: str
) -> None:
    given = {"kafka_username": "me", "kafka_password": "hunter2"} | settings
    found = await probed(getattr(secured, listener), **given)
    assert trouble in found.trouble
    assert repair in found.repair
    assert "hunter2" not in f"{found}"
