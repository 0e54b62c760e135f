"""Clients that do not stop asking, whatever a test does to what is behind the router."""

import threading
import time

from fakes.client import Broken


class Load:
    """Clients that ask until they are told to stop, and remember which replies they saw whole."""

    def __init__(self, router, clients=8):
        self.router = router
        self.seen: dict[str, float] = {}  # request id -> when its reply was whole
        self.failed: list = []
        self.slowest = 0.0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _ask(self):
        try:
            with self.router.client() as client:
                while not self.stopping.is_set():
                    started = time.monotonic()
                    answer = client.ask()
                    now = time.monotonic()
                    self.slowest = max(self.slowest, now - started)
                    if answer.status == 200:
                        self.seen[answer.header("x-request-id")] = now
                    else:
                        self.failed.append(answer.status)
        except (Broken, OSError) as error:
            if not self.stopping.is_set():
                self.failed.append(str(error))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        return self
