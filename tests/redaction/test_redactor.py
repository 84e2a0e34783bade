from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redaction import RedactionPolicy, Redactor
from pipeline.sessions import load_all

REDACTOR = Redactor()

# Parts are joined here so that no text in this file is itself a secret that a scanner of repositories finds.
X36 = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
SECRETS: list[tuple[str, str, str]] = [
    ("an OpenAI key", "export OPENAI_API_KEY=%s", "sk-" + "proj-" + X36),
    ("an old OpenAI key", "key: %s.", "sk-" + X36),
    ("an Anthropic key", "x-api-key: %s", "sk-ant-" + "api03-" + X36),
    ("an AWS access key id", "aws configure set %s", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("an AWS secret", "aws_secret_access_key = %s", "wJalrXUtnFEMI/" + "K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("a GitHub token", "git clone https://%s@github.com/a/b", "ghp_" + X36),
    ("a fine-grained GitHub token", "GH_TOKEN=%s gh pr list", "github_pat_" + X36),
    ("a GitLab token", "PRIVATE-TOKEN: %s", "glpat-" + X36[:20]),
    ("a Slack token", "slack(%s)", "xoxb-" + "123456789012-abcdefABCDEF"),
    ("a Slack webhook", "curl https://hooks.slack.com/services/%s", "T0000000/B0000000/" + X36[:24]),
    ("a Stripe key", "stripe.api_key = '%s'", "sk_live_" + X36[:24]),
    ("a Google key", "?key=%s&q=1", "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"),
    ("an npm token", "//registry.npmjs.org/:_authToken=%s", "npm_" + X36),
    ("a Hugging Face token", "login(%s)", "hf_" + X36[:34]),
    ("a JWT", "id %s end", "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"),
    ("a bearer token", "Authorization: Bearer %s", "0a1b2c3d4e5f6g7h8i9j"),
    ("basic authorization", '{"Authorization": "Basic %s"}', "dXNlcjpwYXNzd29yZDE="),
    ("a password in a URL", "DATABASE_URL=postgres://app:%s@db.internal:5432/app", "s3cr3t-Pass!"),
    ("a password in an AMQP URL", "amqp://guest:%s@mq/", "guest" + "pw"),
    ("a password assignment", "password=%s", "hunter" + "2hunter"),
    ("a password in YAML", "  db_password: %s\n", "correct-" + "horse"),
    ("a password in JSON", '{"user": "a", "password": "%s", "x": 1}', "with space and 'quote'"),
    ("a password in Python", "PASSWORD = '%s'", "p4ss" + "w0rd"),
    ("an environment variable", "MY_SECRET_KEY=%s ./run", "abcdef" + "ghij"),
    ("a connection string", "Server=db;User Id=sa;Password=%s;Encrypt=true", "Str0ng" + "Pwd"),
    ("a storage account key", "AccountName=a;AccountKey=%s;EndpointSuffix=x", "Zm9vYmFyYmF6" + "cXV4=="),
    ("a flag", "mysql --password %s -h db", "hunter" + "2hunter"),
    ("curl's user", "curl -u admin:%s http://x", "hunter" + "2hunter"),
    ("a client secret", "client_secret: %s", "a8B7c6D5"),
    ("a token in a query", "GET /x?access_token=%s&y=1", "0a1b2c3d4e5f"),
]  # fmt: skip
IDS = [one[0] for one in SECRETS]


@pytest.mark.parametrize(("what", "around", "secret"), SECRETS, ids=IDS)
def test_a_secret_is_replaced_wherever_it_stands(what: str, around: str, secret: str) -> None:
    text = around % secret
    for shown in (text, f"line before\n{text}\nline after", f"ünï→{text}", text + " " + text):
        redacted = REDACTOR.text(shown)
        assert secret not in redacted, f"{what}: {redacted}"
        assert "[REDACTED:" in redacted


@pytest.mark.parametrize(("what", "around", "secret"), SECRETS, ids=IDS)
def test_a_secret_is_replaced_inside_json_and_json_within_json(what: str, around: str, secret: str) -> None:
    text = around % secret
    for shown in (json.dumps({"cmd": text}), json.dumps({"body": json.dumps({"cmd": text})})):
        redacted = REDACTOR.text(shown)
        assert secret not in redacted, f"{what}: {redacted}"
        json.loads(redacted)


def test_a_password_whose_value_has_escaped_quotes_goes_whole() -> None:
    assert "tail" not in REDACTOR.text(json.dumps({"password": 'head"tail'}))
    assert "tail" not in REDACTOR.text(json.dumps({"x": json.dumps({"password": 'head"tail'})}))


def test_a_private_key_goes_to_its_end_or_to_the_end_of_the_text() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"
    assert REDACTOR.text(f"a {key} b") == "a [REDACTED:private_key] b"
    assert REDACTOR.text("a " + key[:50]) == "a [REDACTED:private_key]"
    assert "MIIEow" not in REDACTOR.text(json.dumps({"k": key}))


def test_what_looked_like_a_value_may_be_the_next_key() -> None:
    assert REDACTOR.text("token: token: abcd1234efgh") == "token: token: [REDACTED:token]"


CLEAN = [
    "input_tokens: 940, output_tokens=60, max_tokens=1000",
    '{"usage":{"prompt_tokens":940,"completion_tokens":60,"total_tokens":1000}}',
    "Original token count: 116",
    "def login(password: str, token: str | None = None) -> None: ...",
    "password = getpass.getpass()",
    "DB_PASSWORD=$DB_PASSWORD API_KEY=${API_KEY} TOKEN=<your-token>",
    "os.environ['TOKEN'] = os.environ.get('GH_TOKEN')",
    "task-learn-about-many-things-and-more",
    "npm install --registry http://localhost:4873/@babel/core",
    "the secret: always test; no password: required",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
    "session 01a203a8-642b-7588-b032-8d5a116035e6 call_000000000000000000000001 toolu_fake00000001",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    '"tokenizer": "cl100k_base"',
    '{"pwd": "/home/dev/demo"}',
    "git commit -m 'rotate secrets'",
    "user@example.com",
]


@pytest.mark.parametrize("text", CLEAN)
def test_text_without_secrets_is_left_alone(text: str) -> None:
    assert REDACTOR.text(text) == text
    assert REDACTOR.texts([text, "x"])[0] is text or REDACTOR.texts([text])[0] == text


def test_emails_are_redacted_by_policy_only() -> None:
    assert Redactor(RedactionPolicy(emails=True)).text("to user@example.com") == "to [REDACTED:email]"
    assert REDACTOR.text("to user@example.com") == "to user@example.com"


def test_a_policy_can_leave_kinds_alone_or_all() -> None:
    assert Redactor(RedactionPolicy(kinds_off=frozenset({"password"}))).text("password=abcdefg") == "password=abcdefg"
    assert Redactor(RedactionPolicy(enabled=False)).text("password=abcdefg") == "password=abcdefg"


PIECES = st.sampled_from(
    [around % secret for _, around, secret in SECRETS] + CLEAN + ['"', "\\", "\\\\", "\n", "token:", "="]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=6).map("".join)


@given(TEXTS)
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


@given(st.lists(TEXTS, max_size=12))
def test_many_texts_at_once_are_redacted_as_one_by_one(texts: list[str]) -> None:
    assert REDACTOR.texts(texts) == [REDACTOR.text(text) for text in texts]


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    assert isinstance(REDACTOR.text(text + "\ud800 password=abcdefgh"), str)


@pytest.mark.parametrize(
    "hostile", ["token:", "password=", "sk-", "://a:", '"token": "', "eyJ", "password=\\\\", "Bearer "]
)
def test_hostile_repetition_is_survived(hostile: str) -> None:
    text = hostile * 20_000
    assert isinstance(REDACTOR.text(text), str)


MAP = pa.map_(pa.string(), pa.string())


def table(values: list[list[tuple[str, str]]]) -> pa.Table:
    return pa.table(
        {
            "TraceId": ["password=hunter2hunter"] * len(values),
            "Body": pa.array(["say password=hunter2hunter"] + [None] * (len(values) - 1), pa.string()),
            "LogAttributes": pa.array(values, MAP),
            "Events.Attributes": pa.array([[one] for one in values], pa.list_(MAP)),
            "Events.Name": pa.array([["token=abcd1234efgh", "b"]] * len(values), pa.list_(pa.string())),
            "ServiceName": pa.array(["password=hunter2hunter"] * len(values)).dictionary_encode(),
            "Duration": pa.array(range(len(values)), pa.uint64()),
        }
    )


def test_a_table_keeps_its_schema_and_loses_its_secrets_in_every_kind_of_column() -> None:
    values = [[("a", "x"), ("b", "password=hunter2hunter")], [], [("a", "clean"), ("api_key", "qwerty")]]
    given_table = table(values)
    for one in (given_table, pa.concat_tables([given_table.slice(1), given_table])):
        redacted = REDACTOR.table(one)
        assert redacted.schema == one.schema
        assert redacted.num_rows == one.num_rows
        kept = [name for name in redacted.column_names if name != "TraceId"]
        text = str(redacted.select(kept).to_pylist())
        assert "hunter2" not in text
        assert "abcd1234efgh" not in text
        assert "qwerty" not in text
        assert redacted.column("TraceId").to_pylist() == one.column("TraceId").to_pylist()
        assert redacted.column("Duration").to_pylist() == one.column("Duration").to_pylist()
    assert REDACTOR.table(given_table).column("LogAttributes").to_pylist()[2] == [
        ("a", "clean"), ("api_key", "[REDACTED:attribute]"),
    ]  # fmt: skip


def test_a_table_without_secrets_is_the_same_table() -> None:
    clean = pa.table({"Body": ["a", "b"], "LogAttributes": pa.array([[("k", "v")], []], MAP)})
    redacted = REDACTOR.table(clean)
    assert redacted.equals(clean)
    assert redacted.column("Body") == clean.column("Body")


@pytest.mark.parametrize(
    "key",
    ["api_key", "openai.api_key", "OPENAI_API_KEY", "http.request.header.authorization", "db.password", "x-api-key",
     "client_secret", "aws.secret_access_key", "session_token", "http.request.header.cookie", "token"],
)  # fmt: skip
def test_attributes_that_name_a_secret_are_known(key: str) -> None:
    assert REDACTOR.names_secret(key)


@pytest.mark.parametrize(
    "key",
    ["gen_ai.usage.output_tokens", "gen_ai.token.type", "auth.env_openai_api_key_present", "auth.header_name",
     "input_token_count", "session.id", "gen_ai.tool.call.id", "eos_token", "secret_count", "user.id"],
)  # fmt: skip
def test_attributes_that_only_speak_of_secrets_are_not(key: str) -> None:
    assert not REDACTOR.names_secret(key)


def test_truth_values_and_counts_under_a_secret_name_are_kept() -> None:
    one = pa.table({"A": pa.array([[("api_key", "true"), ("password", "3"), ("secret", "")]], MAP)})
    assert REDACTOR.table(one).equals(one)


def test_dialects_do_not_read_fields_that_redaction_names_secret() -> None:
    keys = {
        one.key for dialect in load_all() for rule in dialect.rules for field in rule.fields.values() for one in field
    }
    assert not [key for key in keys if REDACTOR.names_secret(key)]
