"""Every error that Telltale raises on purpose.

TelltaleError
├── SettingsError            a flag, variable or file is wrong; says which and how to repair it
├── DecodeError              a message is not the OTLP request that it should be
├── LimitError               a request is larger than a stated bound
├── DeadLetterLimitError     too many messages of a partition cannot be used; says which, why and the repair
├── LogFullError             the log is over its bound; carries the delay after which to try again
├── PutBackError             a dead letter was not put back into the log; says whether it may be there all the same
├── SinkError
│   ├── RetryableSinkError   the store cannot take it now; carries the delay
│   └── PermanentSinkError   the store will never take it; carries the reason
├── RuleError                a rule file is wrong; names file, key and reason
├── DialectError             a dialect file is wrong; names file, key and reason
└── QueryError               a question cannot be answered; carries code, field and hint
"""

from __future__ import annotations


class TelltaleError(Exception):
    """Base of every error raised on purpose; its text is fit for a user."""


class SettingsError(TelltaleError):
    """A flag, variable or settings file is wrong."""


class DecodeError(TelltaleError):
    """A message is not the OTLP export request that its topic promises."""


class LimitError(TelltaleError):
    """A request is larger than a stated bound."""


class DeadLetterLimitError(TelltaleError):
    """Too many messages of one partition cannot be used: to divert more would hide what is wrong."""


class LogFullError(TelltaleError):
    """The log is over its bound; nothing was stored."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PutBackError(TelltaleError):
    """A message was not put back into the log; `uncertain`: it may be there all the same."""

    def __init__(self, message: str, *, uncertain: bool) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class SinkError(TelltaleError):
    """A sink did not store a batch."""


class RetryableSinkError(SinkError):
    """The sink cannot take the batch now: keep it, pause, write it again after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentSinkError(SinkError):
    """The sink will never take this batch; the message says why."""


class RuleError(TelltaleError):
    """A rule file is wrong; the text names file, key and reason."""


class DialectError(TelltaleError):
    """A dialect file is wrong; the text names file, key and reason."""


class QueryError(TelltaleError):
    """A question cannot be answered as asked.

    `code` is stable and for programs, `hint` says the repair, `field` names the parameter at fault ("" = none).
    """

    def __init__(self, code: str, message: str, *, field: str = "", hint: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.hint = hint
        self.status = status
