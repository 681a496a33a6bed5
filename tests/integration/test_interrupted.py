"""Work that is cut off between two steps, or overtaken by another attempt, ends as if nothing had happened."""

from __future__ import annotations

import pyarrow as pa
import pytest

from demo.readback import FLIGHTS, Readback
from xops.core.errors import Misconfigured
from xops.hooks.iceberg.tables import IcebergHook

pytestmark = pytest.mark.integration


@pytest.fixture
def lake():
    return IcebergHook()


def flights(first, last, distance=100):
    ids = list(range(first, last))
    return pa.table({"flight_id": ids, "distance": [distance] * len(ids), "carrier": ["AA"] * len(ids)})


def test_a_publication_killed_after_it_moved_main_is_found_by_its_retry(lake):
    one = lake.stage(flights(0, 5), table=FLIGHTS, batch="2013-01")
    other = lake.stage(flights(5, 8), table=FLIGHTS, batch="2013-02")
    lake.publish(other)
    first = lake.publish(one)  # main had moved, so the rows were staged anew on top of it
    assert first.snapshot != one.snapshot
    assert lake.publish(one) == first
    assert lake.batches(lake.published(FLIGHTS)) == {"2013-01": 5, "2013-02": 3}


def test_setting_one_staging_of_a_batch_aside_leaves_another_one_to_be_published(lake):
    bad = lake.stage(flights(0, 9, distance=-1), table=FLIGHTS, batch="2013-01")
    good = lake.stage(flights(0, 5), table=FLIGHTS, batch="2013-01")
    branch = lake.quarantine(bad)
    lake.publish(good)
    assert lake.batches(lake.published(FLIGHTS)) == {"2013-01": 5}
    assert set(lake.table(FLIGHTS).refs()) == {"main", branch}
    with pytest.raises(Misconfigured, match="it is quarantined on branch"):
        lake.publish(bad)


@pytest.fixture
def quarantined(lake):
    """Give a batch that was set aside beside one that is published."""
    lake.publish(lake.stage(flights(0, 5), table=FLIGHTS, batch="2013-01"))
    bad = lake.stage(flights(5, 9), table=FLIGHTS, batch="2013-02")
    lake.quarantine(bad)
    return bad


def test_a_table_whose_main_never_showed_a_quarantined_file_is_clean(lake, quarantined):
    assert Readback().unclean_snapshots() == []
    assert quarantined.snapshot not in [version.snapshot for version in lake.versions(FLIGHTS)]


def test_a_main_that_stands_on_a_quarantined_snapshot_is_found_out(lake, quarantined):
    lake.table(FLIGHTS).manage_snapshots().set_current_snapshot(int(quarantined.snapshot)).commit()
    assert Readback().unclean_snapshots() == [quarantined.snapshot]


def test_a_main_that_showed_a_quarantined_snapshot_for_a_moment_is_found_out(lake, quarantined):
    before = lake.published(FLIGHTS)
    for snapshot in (quarantined.snapshot, before.snapshot):
        lake.table(FLIGHTS).manage_snapshots().set_current_snapshot(int(snapshot)).commit()
    assert lake.published(FLIGHTS) == before
    assert Readback().unclean_snapshots() == [quarantined.snapshot]


def test_a_forbidden_row_on_main_is_found_out_without_any_quarantine(lake):
    shown = lake.publish(lake.stage(flights(0, 5, distance=-1), table=FLIGHTS, batch="2013-01"))
    assert Readback().unclean_snapshots() == [shown.snapshot]
