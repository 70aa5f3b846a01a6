"""How do files of BERT keep their weights?"""

from simulations.models.families.family import Names, StoredFamily

BERT = StoredFamily(model_types=("bert",), names=Names(prefixes=("", "bert.")))
