"""The log as files: exports that another Hookfold takes over, batches of CloudEvents, tables for people."""

from adapters.archive.export import Tell
from adapters.archive.exporter import FORMATS, Exporter
from adapters.archive.intake import Intake
from adapters.archive.lines import Altered

__all__ = ["FORMATS", "Altered", "Exporter", "Intake", "Sheets", "Tell", "cloud_events", "export_lines"]
