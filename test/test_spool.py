import errno
import resource
import signal

import numpy as np
import pytest

from handpose_ros.recordings.spool import Spool


def test_it_is_the_list_of_what_was_added(tmp_path):
    spool = Spool(tmp_path, [{"a": 1}])
    spool.append((2, np.arange(3)))
    assert (len(spool), spool[0], spool[-1][0]) == (2, {"a": 1}, 2)
    assert [type(item) for item in spool] == [dict, tuple]
    spool.append("after reading")
    assert spool[2] == "after reading" and bool(spool) and not Spool()
    with pytest.raises(IndexError):
        spool[3]


def test_two_readers_of_one_spool_do_not_disturb_each_other():
    spool = Spool(items=range(5))
    assert list(zip(spool, spool, strict=True)) == [(i, i) for i in range(5)]


def test_it_leaves_no_file(tmp_path):
    spool = Spool(tmp_path, range(3))
    assert list(tmp_path.iterdir()) == [] and len(spool) == 3


def test_a_full_disk_is_told_with_the_remedy(tmp_path):
    spool, limit = Spool(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(OSError, match="free some space or choose another directory") as failed:
            spool.append(bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert failed.value.errno is None or failed.value.errno == errno.EFBIG
