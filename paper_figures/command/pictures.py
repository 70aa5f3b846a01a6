"""Where may a command's picture go, and how does it get there in one step?"""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from simulations.machine.files import write_over
from theory.arrays import InputError

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure


def require_plot(path: Path | None) -> None:
    """Refuse a file that could not be drawn to, before the work is done; None is none.

    Raises: InputError if it has another ending, or its folder is missing or cannot be written
    """
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"plot must end in .png, .pdf or .svg, but is {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"plot must go to a folder that exists, but {str(path.parent)!r} does not")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise InputError(f"plot {str(path)!r} cannot be written")


def save_plot(canvas: "Figure", path: Path) -> None:
    """Write the picture in the format of the file's ending; a file is there whole or not at all.

    Raises: InputError if it cannot be written
    """
    picture = io.BytesIO()
    canvas.savefig(picture, format=path.suffix[1:].lower())
    try:
        write_over(path, picture.getbuffer())
    except OSError as error:
        raise InputError(f"plot {str(path)!r} cannot be written: {error.strerror}") from error
