from paper_figures.sources.certificates import WorstCase, worst_cases
from paper_figures.sources.families import FamilyRuns, runs_by_family
from paper_figures.sources.fusion_collect import collect
from paper_figures.sources.fusion_plans import PLANS
from paper_figures.sources.fusion_runs import FusionExperiment, load_experiments, load_sharing
from paper_figures.sources.listening import patch_graph, text_graph
from paper_figures.sources.models import ModelRuns, runs_of
from paper_figures.sources.real_layers import layer_verdicts, layers_of_texts
from paper_figures.sources.statements import theorem_record, trend_record
from paper_figures.sources.sweep_summaries import load_summary, make_summary
from paper_figures.sources.typical import typical_verdict

__all__ = [
    "PLANS",
    "FamilyRuns",
    "FusionExperiment",
    "ModelRuns",
    "WorstCase",
    "collect",
    "layer_verdicts",
    "layers_of_texts",
    "load_experiments",
    "load_sharing",
    "load_summary",
    "make_summary",
    "patch_graph",
    "runs_by_family",
    "runs_of",
    "text_graph",
    "theorem_record",
    "trend_record",
    "typical_verdict",
    "worst_cases",
]
