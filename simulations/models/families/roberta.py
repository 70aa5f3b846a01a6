"""How do files of RoBERTa, XLM-R and CamemBERT keep their weights?"""

from simulations.models.families.family import Names, StoredFamily

ROBERTA = StoredFamily(
    model_types=("roberta", "xlm-roberta", "camembert"),
    counts_from_padding=True,
    names=Names(prefixes=("", "roberta.")),
)
