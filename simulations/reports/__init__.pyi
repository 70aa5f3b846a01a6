from simulations.reports.corpus import corpus_json, quantile_table, text_lines
from simulations.reports.law import (
    critical_json,
    critical_table,
    law_json,
    law_reading,
    modes_table,
    rates_table,
)
from simulations.reports.models import model_json, model_reading, model_tables
from simulations.reports.tables import count_words
from simulations.reports.traces import reading, trace_json, trace_table, trace_tables
from simulations.reports.verdicts import trend_table, verify_table, verify_tables

__all__ = [
    "corpus_json",
    "count_words",
    "critical_json",
    "critical_table",
    "law_json",
    "law_reading",
    "model_json",
    "model_reading",
    "model_tables",
    "modes_table",
    "quantile_table",
    "rates_table",
    "reading",
    "text_lines",
    "trace_json",
    "trace_table",
    "trace_tables",
    "trend_table",
    "verify_table",
    "verify_tables",
]
