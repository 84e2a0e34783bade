"""Webhooks of a real process: good receivers get everything, bad ones hold nobody up, and kills lose nothing."""

from __future__ import annotations

import hmac
import json
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.e2e.listening import Received, listening
from tests.e2e.looping import looping_session
from tests.e2e.running import FREE_PORTS, Up, running, telltale, wait_until

SECRET = "0123456789abcdef0123456789abcdef"
SESSIONS = 4


def notify_file(folder: Path, **targets: str) -> Path:
    """A webhook for each name and URL."""
    file = folder / "notify.toml"
    file.write_text(
        "\n".join(
            f'[[webhook]]\nname = "{name}"\nurl = "{url}"\nsecret = "{SECRET}"\nmin_severity = "suspect"\n'
            "timeout_s = 2\nattempts = 2\nretry_s = 0.05\n"
            for name, url in targets.items()
        )
    )
    return file


def revisions(received: Received) -> dict[str, list[int]]:
    """Finding -> the revisions that came, in order, those that came again left out."""
    found: dict[str, list[int]] = {}
    for key in dict.fromkeys(received.keys()):
        identity, _, revision = key.rpartition("-")
        found.setdefault(identity, []).append(int(revision))
    return found


def all_there(received: Received, sessions: int) -> Callable[[], bool]:
    return lambda: list(revisions(received).values()) == [[1, 2, 3, 4, 5, 6]] * sessions


def test_receivers_that_hang_fail_redirect_or_lead_elsewhere_hold_nobody_up(tmp_path: Path) -> None:
    good, hanging, failing = Received(), Received(hang_s=4), Received(status=500)
    trap, redirecting = Received(), Received(status=307)
    with ExitStack() as stack:
        for one in (good, hanging, failing, trap, redirecting):
            stack.enter_context(listening(one))
        redirecting.location = trap.url
        file = notify_file(
            tmp_path, good=good.url, hanging=hanging.url, failing=failing.url, redirecting=redirecting.url
        )
        up = stack.enter_context(running(tmp_path, "--set", f"notify_file={file}"))
        up.store_lines(looping_session(0))
        wait_until(all_there(good, 1), good.keys)
        wait_until(lambda: _parked(up.ask("/v1/webhooks")) == {"failing": 6, "good": 0, "hanging": 6, "redirecting": 6},
                   lambda: up.ask("/v1/webhooks"))  # fmt: skip
        assert trap.keys() == []
        for target, outcome in (("good", "delivered"), ("hanging", "parked")):
            wait_until(lambda told=(target, outcome): _told(up, *told) == 6)  # type: ignore[misc] # of the loop
        assert len(redirecting.keys()) == 6  # each once: a redirect is not tried again
        url = ("--url", f"http://{up.ready['api']}")
        listed = telltale("webhooks", "list", *url)
        assert listed.returncode == 0, listed.stderr
        assert "redirects are not followed" in listed.stdout
        assert "no answer within 2 s" in listed.stdout
        assert "telltale webhooks replay" in listed.stdout
        failing.status = 200
        assert telltale("webhooks", "replay", "failing", *url).stdout == "6 deliveries of failing are sent again\n"
        wait_until(lambda: _parked(up.ask("/v1/webhooks/failing")) == {"failing": 0})
        assert revisions(failing) == revisions(good)
        status, out = up.interrupt(signal.SIGTERM)
    assert status == 0, out


def _told(up: Up, target: str, outcome: str) -> float:
    return up.metric("telltale_notifications_total", target=target, outcome=outcome)


def _parked(answer: dict[str, Any]) -> dict[str, int]:
    return {one["webhook"]: one["parked"] + one["queued"] for one in answer["webhooks"]}


def test_over_kills_everything_is_delivered_in_order_and_signed(tmp_path: Path) -> None:
    with listening(Received()) as received:
        received.hang_s = 0.05
        settings = ("--set", f"webhook_url={received.url}", "--set", f"webhook_secret={SECRET}",
                    "--set", "notify_min_severity=suspect")  # fmt: skip
        for number in range(SESSIONS):
            with running(tmp_path, *settings) as up:
                before = len(received.bodies)
                up.store_lines(looping_session(number))
                wait_until(lambda before=before: len(received.bodies) > before)  # type: ignore[misc] # of the loop
                up.interrupt(signal.SIGKILL)
        with running(tmp_path, *settings) as up:
            wait_until(all_there(received, SESSIONS), lambda: revisions(received))
            assert up.ask("/v1/webhooks")["parked"] == []
    keys = received.keys()
    # A kill may repeat the one that was under way, and no other.
    assert len(keys) - len(set(keys)) <= SESSIONS
    for headers, body in zip(received.headers, received.bodies, strict=True):
        at, _, signature = headers["telltale-signature"].partition(",v1=")
        expected = hmac.new(SECRET.encode(), at.removeprefix("t=").encode() + b"." + body, "sha256").hexdigest()
        assert hmac.compare_digest(signature, expected)
        assert abs(time.time() - int(at.removeprefix("t="))) < 600
        assert json.loads(body)["key"] == headers["idempotency-key"]


def test_a_target_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path) -> None:
    flags = ("--set", "webhook_url=http://169.254.169.254/", "--set", f"webhook_secret={SECRET}")
    done = telltale("up", "--data", str(tmp_path / "data"), *FREE_PORTS, *flags)
    assert done.returncode == 1
    assert "nothing is sent to 169.254.169.254" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr + done.stdout
