"""Text that came from a machine, made safe to show to people."""

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")


def plain_text(data: bytes | str) -> str:
    """Return the text without terminal escapes and control characters, line breaks kept."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    text = _ESCAPES.sub("", text)
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character)[0] != "C"
    )
