"""Redaction: secrets are replaced before anything is stored, re-keyed or shown."""

from pipeline.redaction.redactor import RedactionPolicy, Redactor

__all__ = ["RedactionPolicy", "Redactor"]
