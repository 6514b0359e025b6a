from ml_privacy_meter.report.plain import visible


def test_signs_that_turn_or_hide_their_neighbours_are_seen() -> None:
    assert visible("a\u202eb\u2066c\x00d\x1be\nf\tg") == "a�b�c�d�e f g"


def test_every_other_text_stays_as_it_is() -> None:
    assert visible("שלום 🦊 é 汉字") == "שלום 🦊 é 汉字"
