"""How is a store written as one file that other programs read?"""

import importlib.util
import shutil
import uuid
from pathlib import Path

from simulations.machine.files import give_name
from simulations.sweeps.dataset import read_store
from theory.arrays import InputError


def export_store(root: Path | str, out: Path | str) -> int:
    """Write a store as one netCDF file (.nc) or zarr folder (.zarr), with checksums in both.

    Returns how many cells are not there yet: their numbers are NaN, or -1.

    Raises: InputError for another ending, if ``out`` is there already, or a library is missing
    """
    out = Path(out)
    if out.suffix not in (".nc", ".zarr"):
        raise InputError(f"out must end in .nc or .zarr, but is {out.name!r}")
    if out.exists():
        raise InputError(f"{out} is there already; nothing is overwritten")
    needed = {".nc": ("h5netcdf", "h5py"), ".zarr": ("zarr",)}[out.suffix]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        raise InputError(f"{out.suffix} needs {names}: pip install 'oversmooth[sweep]'")
    data = read_store(root)
    part = out.with_name(f".{out.stem}.{uuid.uuid4().hex[:8]}.part{out.suffix}")
    try:
        if out.suffix == ".nc":
            checksums = {name: {"fletcher32": True} for name in data.data_vars if data[name].ndim}
            data.to_netcdf(part, engine="h5netcdf", encoding=checksums)
            give_name(part, out)  # unlike a rename, never over what has come there meanwhile
        else:
            from zarr.codecs import Crc32cCodec

            codec = {name: {"compressors": [Crc32cCodec()]} for name in data.data_vars}
            data.to_zarr(part, mode="w-", encoding=codec, zarr_format=3, consolidated=False)
            part.rename(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
    return int((~data["complete"]).sum())
