"""What Prometheus is told of the archive of traces, looked up at each scrape."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily

from ..sources.archive import Archive


class ArchiveGauges:
    """A collector; register it once."""

    def __init__(self, archive: Archive) -> None:
        """Tell of this archive."""
        self._archive = archive

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is known before a scrape."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Its bytes, and its damaged files."""
        yield GaugeMetricFamily(
            "jobmend_brain_archive_bytes",
            "Bytes of the archive of trace windows.",
            value=self._archive.size(),
        )
        yield GaugeMetricFamily(
            "jobmend_brain_archive_damaged_files",
            "Files of the archive that this process could not read.",
            value=self._archive.damaged,
        )
