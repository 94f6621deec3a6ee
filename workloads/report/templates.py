"""The templates of the report: one style sheet, texts that stay texts."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup


def environment() -> jinja2.Environment:
    """Return what renders the templates of this folder; HTML is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    made.globals["style"] = Markup(style)  # noqa: S704  our own file, no value in it
    made.filters["drawn"] = lambda drawing: Markup(drawing.svg)  # noqa: S704  escaped
    made.filters["prose"] = _prose
    made.filters["cell"] = _markdown_cell
    made.filters["line"] = _markdown_line
    return made


def _prose(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between backticks as code."""
    # A number and its unit stay on one line.
    parts = re.sub(r"(?<=\d) (?=\w)", "\u00a0", text).split("`")
    code = [
        Markup("<code>{}</code>").format(part) if index % 2 else Markup("{}").format(part)
        for index, part in enumerate(parts)
    ]
    return Markup("").join(code)


def _markdown_line(text: object) -> str:
    """Return a sentence of ours for Markdown: its backticks stay."""
    return "`".join(_markdown_cell(part) for part in str(text).split("`"))


def _markdown_cell(text: object) -> str:
    """Return a text that stays in its cell of a Markdown table and is no markup there."""
    escaped = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    return escaped.replace("<", "&lt;").replace("`", "\\`").replace("[", "\\[")
