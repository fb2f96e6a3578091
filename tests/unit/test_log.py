"""What a job says on the terminal."""

from __future__ import annotations

import logging

from cortexclip.runtime import log


def test_letters_that_no_font_has_are_said_once(capsys):
    log.start()
    for letter in "日本":
        logging.getLogger("py.warnings").warning("Glyph %d (\\N{CJK}) missing from font(s) DejaVu Sans.", ord(letter))
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1 and "such as 日 (U+65E5)" in printed[0]
