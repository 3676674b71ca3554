"""The log as files: exports that another Hookfold takes over, batches of CloudEvents, tables for people."""

from adapters.archive.cloudevents import cloud_events
from adapters.archive.export import Tell, export_lines
from adapters.archive.exporter import FORMATS, Exporter
from adapters.archive.intake import Intake
from adapters.archive.lines import Altered
from adapters.archive.sheets import Sheets

__all__ = ["FORMATS", "Altered", "Exporter", "Intake", "Sheets", "Tell", "cloud_events", "export_lines"]
