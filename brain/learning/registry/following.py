"""MLflow's alias after a person went back to a champion of before: it follows in a thread.

Nobody waits for a server that is away. What cannot be told is told by the next turn of learning,
as all that the registry missed.
"""

from __future__ import annotations

import logging
import threading

from ....classifier.tracking import TrackingError
from ...config import BrainConfig
from ...models import champions
from ...store import Store

log = logging.getLogger("jobmend.learning")


class Following:
    """Has the alias ``champion`` follow the store, one subject at a time."""

    def __init__(self, store: Store, config: BrainConfig) -> None:
        """Ask nobody yet, and load nothing of MLflow."""
        self._store, self._config = store, config
        self._one_at_a_time = threading.Lock()  # MLflow's address is a setting of the process

    def follow(self, subject: str) -> threading.Thread | None:
        """Begin to; the thread that does. None where the registry does not know the champion yet:
        the next turn registers it, with its alias.
        """
        with self._store.read() as db:
            champion = champions.newest(db, subject)
        if champion is None or not champion.version:
            return None
        thread = threading.Thread(
            target=self._follow, args=(subject,), name=f"alias-{subject}", daemon=True
        )
        thread.start()
        return thread

    def _follow(self, subject: str) -> None:
        try:
            with self._one_at_a_time:
                from . import registering, registry

                registering.follow(self._store, registry.of(self._config), subject)
        except TrackingError as error:
            log.warning("subject=%s the alias follows with the next turn: %s", subject, error)
        except Exception:
            log.exception("subject=%s the alias follows with the next turn", subject)
