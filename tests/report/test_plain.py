from ml_privacy_meter.report.plain import lines, visible


def test_signs_that_turn_or_hide_their_neighbours_are_seen() -> None:
    assert visible("a\u202eb\u2066c\x00d\x1be\nf\tg") == "a�b�c�d�e f g"


def test_every_other_text_stays_as_it_is() -> None:
    assert visible("שלום 🦊 é 汉字") == "שלום 🦊 é 汉字"


def test_a_text_keeps_its_lines_and_its_spaces() -> None:
    assert lines("a  b\n\n\tc\u202ed\r\ne\x00") == "a  b\n\n    c\ufffdd\ne\ufffd"
