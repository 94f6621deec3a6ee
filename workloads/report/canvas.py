"""Drawing with Matplotlib into SVG that takes its colours and its type from the page.

Matplotlib knows no light and dark, so it draws in colours that nobody uses otherwise, and each
is replaced by a variable of the page's style sheet afterwards.
"""

import contextlib
import itertools
import re
import warnings
from io import StringIO
from typing import Any, Self

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010001"
MUTED = "#010002"
RULE = "#010003"
PAPER = "#010004"
ENGINES = {"ray": "05", "dask": "06", "plain": "07"}
SHADES = 3
PHASES = ("#010008", "#010009", "#01000a", "#01000b", "#01000c", "#01000d")
MARKERS = {"ray": "o", "dask": "s", "plain": "D"}

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    PAPER: "--paper",
    **{
        f"#01{shade:02x}{code}": f"--{name}-{shade + 1}" if shade else f"--{name}"
        for name, code in ENGINES.items()
        for shade in range(SHADES)
    },
    **{colour: f"--phase-{index}" for index, colour in enumerate(PHASES, 1)},
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


class Canvas:
    """One figure of `width` by `height` inches, with a grid of axes; draw inside the block.

    >>> with Canvas("doctest", 4.6, 3.0) as canvas:
    ...     line = canvas.axes[0].plot([1, 2], [1, 2], color=INK)
    >>> canvas.svg("A line", "From 1 to 2.").startswith("<svg")
    True
    """

    def __init__(
        self, name: str, width: float, height: float, *, rows: int = 1, columns: int = 1
    ) -> None:
        self.name = name
        self._style = contextlib.ExitStack()
        with matplotlib.rc_context(_STYLE):
            self.figure = Figure(figsize=(width, height), layout="constrained")
            grid = self.figure.subplots(rows, columns, squeeze=False, sharex=rows * columns > 1)
        self.axes: list[Axes] = list(itertools.chain.from_iterable(grid))

    def __enter__(self) -> Self:
        self._style.enter_context(matplotlib.rc_context(_STYLE))
        return self

    def __exit__(self, *raised: object) -> None:
        self._style.close()

    def svg(self, title: str, description: str) -> str:
        """Return the figure as an element that can stand in a page.

        `title` and `description` are what a screen reader says.
        """
        stream = StringIO()
        style = {**_STYLE, "svg.hashsalt": self.name}
        with matplotlib.rc_context(style), warnings.catch_warnings():
            # A name may hold characters that Matplotlib's font lacks; the browser's has them.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
        return _adapted(stream.getvalue(), self.name, title, description)


def series_colour(engine: str, place: int = 0) -> str:
    """Return the colour of an engine, in another shade for each variation of the work."""
    return f"#01{place % SHADES:02x}{ENGINES[engine]}"


def shortened(text: str, limit: int = 32) -> str:
    """Return a text that leaves room for the figure that it names."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _adapted(text: str, name: str, title: str, description: str) -> str:
    body = text[text.index("<svg") :]
    box = re.search(r'viewBox="([^"]*)"', body)
    inner = body[body.index(">") + 1 : body.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<style[^>]*>.*?</style>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r"url\(#", f"url(#{name}-", inner)
    inner = re.sub(r'href="#', f'href="#{name}-', inner)
    inner = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", inner)
    inner = re.sub(r"font-family:[^;\"]*;?", "", inner)
    for colour, variable in _VARIABLES.items():
        inner = inner.replace(colour, f"var({variable})")
    return (
        f'<svg viewBox="{box[1] if box else "0 0 1 1"}" role="img" '
        f'aria-labelledby="{name}-title {name}-text" class="figure">'
        f'<title id="{name}-title">{_escaped(title)}</title>'
        f'<desc id="{name}-text">{_escaped(description)}</desc>{inner}</svg>'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
