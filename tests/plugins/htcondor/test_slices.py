"""A long history is read whole, each ad once, few at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobmend.plugins.htcondor.slices import Ad, newest_first


class History:
    """Ads in a schedd's files: the newest first by when they were written, not by their time."""

    def __init__(self, times: list[float]) -> None:
        self.ads: list[Ad] = [{"T": time, "id": number} for number, time in enumerate(times)]
        self.most = 0

    def fetch(self, since: float, until: float, limit: int) -> list[Ad]:
        found = [ad for ad in self.ads if since <= ad["T"] < until]
        found = found if limit < 0 else found[:limit]
        self.most = max(self.most, len(found))
        return found


@given(
    st.lists(st.integers(0, 60)),
    st.integers(-5, 30),
    st.integers(20, 70),
    st.integers(1, 8),
)
def test_every_ad_is_told_once(times: list[float], since: int, until: int, size: int) -> None:
    history = History(times)
    told = list(newest_first(history.fetch, "T", since, until, size))
    wanted = [ad["id"] for ad in history.ads if since <= ad["T"] < until]
    assert sorted(ad["id"] for ad in told) == wanted


def test_few_are_in_memory_at_a_time() -> None:
    straggler = 1.0  # written last, though it ended long ago
    history = History([straggler, *(float(time) for time in range(100_000, 0, -1))])
    assert sum(1 for _ in newest_first(history.fetch, "T", 0, 1e6, 1000)) == 100_001
    assert history.most <= 1100


def test_nothing_is_asked_for_before_it_is_wanted() -> None:
    history = History([float(time) for time in range(10_000, 0, -1)])
    ads = newest_first(history.fetch, "T", 0, 1e6, 100)
    assert history.most == 0
    assert next(ads)["T"] > 9000 and history.most <= 110
