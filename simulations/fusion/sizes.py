"""What are the settings of a data set at a size?"""

from dataclasses import replace
from typing import Any, Literal

from simulations.fusion.recipe import Encoder, Precision, Recipe
from theory.arrays import InputError

RunSize = Literal["quick", "usual", "full"]
_IMAGES = ("mnist", "fashion-mnist")
_PRETRAINED: dict[str, Any] = {"width": 384, "heads": 12, "ffn": 1536, "batch": 16}
_SIZES: dict[tuple[str, bool], dict[RunSize, dict[str, Any]]] = {
    # (images?, frozen?) -> what each size changes
    ("images", False): {
        "quick": {"train": 200, "validation": 100, "test": 200, "epochs": 2},
        "usual": {"train": 1500, "validation": 500, "test": 2000, "epochs": 24, "patience": 8},
        "full": {"epochs": 40, "width": 128, "ffn": 512, "patience": 8},
    },
    ("texts", False): {
        "quick": {"train": 64, "validation": 50, "test": 100, "epochs": 1},
        "usual": {"train": 600, "validation": 200, "test": 1000, "epochs": 3},
        "full": {"epochs": 4, "longest": 64},
    },
    ("texts", True): {
        "quick": {"train": 100, "validation": 50, "test": 100, "epochs": 2},
        "usual": {"train": 1000, "validation": 500, "test": 1500, "epochs": 40, "patience": 8},
        "full": {"epochs": 40, "patience": 8},
    },
}


def recipe_for(
    data: str,
    *,
    size: RunSize = "usual",
    depth: int | None = None,
    encoder: Encoder | None = None,
    frozen: bool = False,
    precision: Precision | None = None,
    device: str = "cpu",
    **changes: Any,
) -> Recipe:
    """Return the settings of a data set at a size; ``changes`` are fields of `Recipe`.

    Texts are read by MiniLM (fine-tuned unless ``frozen``), images by a pre-LN encoder trained
    from scratch, if nothing else is asked for; a GPU multiplies in half precision.
    """
    images = data in _IMAGES
    encoder = encoder or ("scratch" if images else "minilm")
    if images and encoder != "scratch":
        raise InputError(f"encoder must be scratch for {data}, which holds images, not {encoder!r}")
    if depth is None:
        depth = {"minilm": 6}.get(encoder, 12)
    base = Recipe(data=data, encoder=encoder, frozen=frozen, depth=depth)
    settings: dict[str, Any] = dict(_SIZES["images" if images else "texts", frozen][size])
    if images:
        settings = {"placement": "pre", "rate": 2e-3, "width": 48, "ffn": 96} | settings
    elif encoder != "scratch":
        rates = {"rate": 1e-3} if frozen else {"rate": 5e-5, "head_rate": 2e-3}
        settings |= {**_PRETRAINED, **rates}
    if data == "lee":  # 45 pairs among 10 texts each for validation and test
        settings |= {"train": None, "validation": None, "test": None, "longest": 96}
    if data == "newsgroups":
        settings |= {"longest": 64}
    precision = precision or ("bfloat16" if device.startswith("cuda") else "float32")
    settings |= {"precision": precision, "device": device}
    return replace(base, **(settings | changes))
