"""A GPU to practise on where there is none: it works while the CPU goes on, on a clock of its own."""

LAUNCH = 5e-6  # seconds that a launch takes the CPU


class SimulatedGPU:
    """Its times are the same everywhere, because nothing is computed: only the clocks are kept."""

    def __init__(self, seconds: list[float], queued: float = 0.0):
        """`seconds` of each run, the last for all that follow; `queued`: of work launched before."""
        self.seconds = seconds
        self.now = 0.0  # the CPU's clock
        self.free = queued  # when the device has done all that was launched
        self.runs = 0

    def run(self) -> None:
        """Launch the work, and return before it is done."""
        self.now += LAUNCH
        self.free = max(self.free, self.now) + self.seconds[min(self.runs, len(self.seconds) - 1)]
        self.runs += 1

    def synchronize(self) -> None:
        """Wait until all that was launched is done."""
        self.now = max(self.now, self.free)

    def clock(self) -> float:
        """As `time.perf_counter`."""
        return self.now

    def __eq__(self, other: object) -> bool:  # a check asks whether its inputs were changed: this one may be
        return isinstance(other, SimulatedGPU)

    __hash__ = None  # type: ignore[assignment]
