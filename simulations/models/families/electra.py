"""How do files of ELECTRA keep their weights?"""

from simulations.models.families.family import Names, StoredFamily

ELECTRA = StoredFamily(model_types=("electra",), names=Names(prefixes=("", "electra.")))
