"""Are weights in a pickle read, and everything else in it refused?"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.find import load_checkpoint
from tests.test_simulations.helpers.tiny_folder import TENSORS, last_tokens, write_folder
from theory.arrays import InputError

torch = pytest.importorskip("torch")


class Harmful:
    """What a pickle can bring along: anything that is called when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this code was run",)


def test_a_pickle_gives_what_safetensors_give(tmp_path: Path) -> None:
    wanted = last_tokens(load_checkpoint(write_folder(tmp_path)))
    (tmp_path / "model.safetensors").unlink()
    tensors = {name: torch.asarray(tensor) for name, tensor in TENSORS.items()}
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    assert np.array_equal(last_tokens(load_checkpoint(tmp_path)), wanted)
    half = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    torch.save(half, tmp_path / "pytorch_model.bin")
    assert load_checkpoint(tmp_path).widened == "BF16"


def test_code_in_a_pickle_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"a": Harmful()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="holds more than tensors, which could run code"):
        load_checkpoint(tmp_path)
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q", b"PK\x03\x04 and less"])
def test_a_damaged_pickle_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(InputError, match="is damaged, or holds more") as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


def test_tensors_without_names_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save([torch.zeros(2)], tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="must hold tensors by name"):
        load_checkpoint(tmp_path)


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(InputError, match=r"torch 2\.5\.1\+cpu cannot read safely"):
        load_checkpoint(tmp_path)
