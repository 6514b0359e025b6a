"""A model is on disk whole or not at all."""

import gc
import stat
import threading
import time

from ml_privacy_meter.training.keep import Made
from ml_privacy_meter.training.store import ModelStore

KEY = "0123abcd"


def test_a_model_is_found_by_its_key(tmp_path):
    store = ModelStore(tmp_path)
    file = store.keep(KEY, Made("pt2", b"weights"))
    assert file.read_bytes() == b"weights"
    assert file.suffix == ".pt2"
    assert ModelStore(tmp_path).find(KEY) == file
    assert store.find("0123abce") is None


def test_a_file_that_is_cut_short_or_altered_is_taken_away(tmp_path):
    store = ModelStore(tmp_path)
    for spoilt in (b"weight", b"weighty", b"weightss", b""):
        file = store.keep(KEY, Made("safetensors", b"weights"))
        file.write_bytes(spoilt)
        assert store.find(KEY) is None
        assert not file.exists()


def test_what_was_being_written_when_a_run_was_killed_is_no_model(tmp_path):
    store = ModelStore(tmp_path)
    (store.folder / f"{KEY}.new").write_bytes(b"wei")
    (store.folder / f"{KEY}.lock").touch()
    assert store.find(KEY) is None
    assert store.find(KEY) != store.keep(KEY, Made("pt2", b"weights"))
    assert [file.name for file in store.folder.glob("*.new")] == []


def test_nobody_else_can_read_the_folder_and_git_leaves_it_out(tmp_path):
    store = ModelStore(tmp_path / "mine")
    assert store.folder == tmp_path / "mine" / "references"
    for folder in (store.folder, store.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (tmp_path / "mine" / ".gitignore").read_text() == "*\n"


def test_a_store_without_a_folder_ends_with_the_object():
    store = ModelStore()
    file = store.keep(KEY, Made("pt2", b"weights"))
    assert file.exists()
    del store
    gc.collect()
    assert not file.exists()


def test_one_run_at_a_time_trains(tmp_path):
    inside, most = [], []

    def run():
        with ModelStore(tmp_path).locked(KEY):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
