"""What runs in another process in `tests/test_benchmarks.py`; here, because it imports little."""

import os


class Counter:
    """Created in the other process."""

    def __init__(self, start: int):
        self.count = start

    def epoch(self) -> None:
        self.count += 1

    def counted(self) -> int:
        return self.count

    def cores(self) -> int:
        return len(os.sched_getaffinity(0))

    def fail(self) -> None:
        raise ValueError("the first line\nthe second")

    def die(self) -> None:
        os._exit(3)
