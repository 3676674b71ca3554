"""The log as files: exports for another Hookfold, batches of CloudEvents, tables for people."""

from adapters.archive.export import ExportProgress
from adapters.archive.exporter import FORMATS, Exporter
from adapters.archive.intake import Intake
from adapters.archive.lines import Altered
