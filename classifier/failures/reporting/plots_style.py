"""How every plot of a report looks: size, colours, titles, and text that strangers wrote.

Figures are made without pyplot, so nothing global is touched and no display is asked for.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image  # matplotlib brings it

from ....jobs.text import printable

# Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind readers and in grey.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C6D31",
)
MARKERS = "osD^vPX*"
QUIET = "#767676"
MAPS = {"amount": "cividis", "signed": "cividis"}

WIDTH = 9.0  # inches; 900 px on a page
PAGE_DPI = 100
FILE_DPI = 160  # sharp on paper and on dense screens
COLOURS = 128
MAX_NAME = 28

Axes = Any  # matplotlib ships no types


def words(text: str, limit: int = MAX_NAME) -> str:
    """``text`` as matplotlib shows it to the letter: nothing unprintable, no formula."""
    return printable(text, limit).replace("$", r"\$")


def colour(number: int) -> str:
    """The colour of series ``number``."""
    return PALETTE[number % len(PALETTE)]


def marker(number: int) -> str:
    """The marker of series ``number``: a second way to tell it."""
    return MARKERS[number % len(MARKERS)]


def canvas(
    title: str,
    *,
    synthetic: bool,
    shape: tuple[int, int] = (1, 1),
    height: float = 4.6,
    **options: Any,
) -> tuple[Any, NDArray[Any]]:
    """A figure of ``shape`` (rows, columns) axes with its title; ``height`` in inches.

    The title says so where the data is synthetic.
    """
    figure = Figure(figsize=(WIDTH, height), dpi=PAGE_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(*shape, squeeze=False, **options)
    figure.suptitle(f"{title} (synthetic data)" if synthetic else title, fontsize=12)
    for axis in axes.flat:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=9)
    return figure, axes


def grid_of(panels: int, columns: int = 3) -> tuple[int, int]:
    """Rows and columns for ``panels`` small axes."""
    columns = max(1, min(columns, panels))
    return max(1, -(-panels // columns)), columns


def blank(axes: Iterable[Axes]) -> None:
    """Hide axes that hold nothing."""
    for axis in axes:
        axis.set_axis_off()


def label_outside(axes: NDArray[Any], used: int, below: str, left: str) -> None:
    """Name the axes of a grid of ``used`` panels once a column and once a row."""
    columns = axes.shape[1]
    for number, axis in enumerate(axes.flat[:used]):
        if number + columns >= used:
            axis.set_xlabel(below)
            axis.tick_params(labelbottom=True)
        if number % columns == 0:
            axis.set_ylabel(left)


def legend_below(figure: Any, axes: NDArray[Any]) -> None:
    """One legend for all axes, each name once, under them."""
    known: dict[str, Any] = {}
    for axis in axes.flat:
        handles, labels = axis.get_legend_handles_labels()
        known |= dict(zip(labels, handles, strict=True))
    if known:
        labels = list(known)
        handles = list(known.values())
        columns = min(4, len(known))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9)


def remark(axis: Axes, text: str) -> None:
    """Say in an empty plot why it is empty."""
    axis.text(0.5, 0.5, text, ha="center", va="center", color=QUIET, transform=axis.transAxes)


def png(figure: Any) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # shown as a box
        figure.savefig(buffer, format="png", dpi=FILE_DPI)
    small = io.BytesIO()  # with a palette: a third of the bytes, no difference to be seen
    with Image.open(buffer) as drawn:
        drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
            small, "png", optimize=True
        )
    return small.getvalue()
