"""TLS and SASL against a real broker: who may come in does, and who may not is told what to mend."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from pipeline.transport.kafka_security import client_options
from pipeline.transport.kafka_topics import admin, topic_states
from schemas.errors import SettingsError
from testbed.kafka import Broker, free_port
from tests.kafka.certificates import Authority
from tests.kafka.rig import KafkaRig, prepare, producer

USER, PASSWORD = "telltale", "correct horse battery staple"
JAAS = "org.apache.kafka.common.security"


class SecureBroker(Broker):
    """Also listens with TLS, and with SASL over TLS."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        self.ports = {"TLS": free_port(), "SASLTLS": free_port()}
        own = self._properties
        own["listeners"] += "".join(f",{name}://127.0.0.1:{port}" for name, port in self.ports.items())
        own["advertised.listeners"] += "".join(f",{name}://127.0.0.1:{port}" for name, port in self.ports.items())
        own["listener.security.protocol.map"] = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL"
        own |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(authority.server_pem(folder / "server.pem")),
            "listener.name.sasltls.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasltls.plain.sasl.jaas.config": (
                f'{JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "listener.name.sasltls.scram-sha-256.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
            "listener.name.sasltls.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
        }
        self._config.write_text("".join(f"{name}={value}\n" for name, value in own.items()))
        users = [f"SCRAM-SHA-{size}=[name={USER},password={PASSWORD}]" for size in (256, 512)]
        self.format(*[argument for user in users for argument in ("--add-scram", user)])

    def start(self) -> None:
        """Also wait for the other listeners."""
        super().start()
        until = time.monotonic() + 30
        for port in self.ports.values():
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert time.monotonic() < until, "the broker does not listen"
                time.sleep(0.05)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whoever signs the broker's certificate."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(broker: Broker, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A broker that asks who is there."""
    del broker  # it skips where there can be none
    started = SecureBroker(tmp_path_factory.mktemp("secure"), authority)
    started.start()
    yield started
    started.stop()


def settings_of(secure: SecureBroker, folder: Path, authority: Authority, **named: Any) -> Settings:
    """Of a process that comes over SASL and TLS with all that is right, but for what is named."""
    (folder / "password").write_text(PASSWORD + "\n")
    right = {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_username": USER,
        "kafka_password_file": str(folder / "password"),
        "kafka_tls_ca_file": str(authority.certificate),
    } | named
    listener = "TLS" if right["kafka_security_protocol"] == "SSL" else "SASLTLS"
    return Settings(data_dir=folder, broker_url=f"kafka://127.0.0.1:{secure.ports[listener]}", **right)


async def refusal(settings: Settings) -> str:
    """What is said to whoever is not let in."""
    with pytest.raises(SettingsError) as refused:
        async with admin(settings) as client:
            await topic_states(settings, client)
    return str(refused.value)


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [("SSL", "PLAIN"), ("SASL_SSL", "PLAIN"), ("SASL_SSL", "SCRAM-SHA-256"), ("SASL_SSL", "SCRAM-SHA-512")],
)
async def test_a_worker_reads_and_writes_over_it(
    secure: SecureBroker, authority: Authority, folder: Path, protocol: str, mechanism: str
) -> None:
    group = f"over-{protocol}-{mechanism}".lower()
    settings = settings_of(
        secure, folder, authority, group=group, kafka_security_protocol=protocol, kafka_sasl_mechanism=mechanism
    )
    await prepare(settings)
    async with producer(settings, **client_options(settings)) as sending:
        for number in range(20):
            await sending.send(f"{group}.spans", b"k%d 1" % (number % 3), partition=number % 2)
    async with KafkaRig(settings) as rig:
        await rig.settle()
        assert rig.sums() == {"k0": 7, "k1": 7, "k2": 6}


async def test_a_wrong_password_is_named_with_its_settings_and_not_shown(
    secure: SecureBroker, authority: Authority, folder: Path
) -> None:
    (folder / "wrong").write_text("wrong horse")
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        wrong = settings_of(
            secure, folder, authority, kafka_password_file=str(folder / "wrong"), kafka_sasl_mechanism=mechanism
        )
        said = await refusal(wrong)
        assert "kafka_username" in said
        assert "kafka_password_file" in said
        assert "wrong horse" not in said


async def test_a_certificate_that_another_authority_signed_is_named_with_its_setting(
    secure: SecureBroker, authority: Authority, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    said = await refusal(settings_of(secure, folder, authority, kafka_tls_ca_file=str(other.certificate)))
    assert "kafka_tls_ca_file" in said
    assert "certificate" in said


async def test_a_missing_file_is_named(secure: SecureBroker, authority: Authority, folder: Path) -> None:
    said = await refusal(settings_of(secure, folder, authority, kafka_tls_ca_file=str(folder / "nowhere.pem")))
    assert "kafka_tls_ca_file" in said
    said = await refusal(settings_of(secure, folder, authority, kafka_password_file=str(folder / "nowhere")))
    assert "kafka_password_file" in said
