"""The session model: who called which tool or model, in which session, with what outcome."""

from pipeline.sessions.dialects import Dialect, load_all
from pipeline.sessions.facts import Facts
from pipeline.sessions.model import SessionModel

__all__ = ["Dialect", "Facts", "SessionModel", "load_all"]
