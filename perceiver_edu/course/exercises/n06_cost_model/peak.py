"""Exercise 06.peak: find the fastest of some products with a clock, among slow and disturbed calls."""

import time

from perceiver_edu.course.exercise import Exercise

PREPARING = 0.03  # seconds that the first call takes longer


class Product:
    """A function that takes its time: the first call and every disturbed one take longer."""

    def __init__(self, seconds, first=PREPARING, disturbed=(), extra=0.05):
        self.seconds, self.first, self.disturbed, self.extra = seconds, first, disturbed, extra
        self.calls = 0

    def __call__(self):
        call, self.calls = self.calls, self.calls + 1
        time.sleep(self.seconds_of(call))

    def seconds_of(self, call):
        slow = self.first if call == 0 else 0.0
        return self.seconds + slow + (self.extra if call in self.disturbed else 0.0)

    def __eq__(self, other):  # it counts its calls, a change that does not matter
        return isinstance(other, Product)

    __hash__ = None


def cases():
    steady = Product(0.003, first=0.001)
    return {
        "a small and a large product": {
            "products": {
                "small": (3e9, Product(0.006, first=0.001)),
                "large": (9e9, Product(0.040, first=0.001)),
            },
        },
        "a slow first call": {
            "products": {"slow at first": (30e9, Product(0.008, first=0.08)), "steady": (6e9, steady)},
        },
        "a disturbed call": {
            "products": {
                "steady": (4e9, steady),
                "disturbed": (9e9, Product(0.002, disturbed=(2,), extra=0.08)),
            },
        },
    }


def variant(products, of="min", first="left out", rate=True):
    """The name of the fastest."""
    found = {}
    for name, (flops, product) in products.items():
        calls = range(1, 7) if first == "left out" else range(6)
        if of == "once":
            calls = range(1)
        times = [product.seconds_of(call) for call in calls]
        seconds = {"min": min, "mean": lambda t: sum(t) / len(t), "max": max, "once": max}[of](times)
        found[name] = flops / seconds if rate is True else -seconds if rate == "seconds" else flops
    return max(found, key=found.__getitem__)


EXERCISE = Exercise(
    title="which product is the fastest",
    about="8 minutes · medium · appendix D",
    name="fastest",
    cases=cases,
    variant=variant,
    mistakes={
        "of": {
            "once": "Each function is called only once, and the first call is slow. Call it before you time "
            "it, and time several calls.",
            "mean": "You take the mean, or the total time of all calls, and one disturbed call spoils "
            "either. Take the shortest time, or the median.",
        },
        "rate": {
            "seconds": "This is the product that takes the least time. The products differ in size, so "
            "divide the FLOPs by the seconds.",
            "flops": "This is the product with the most FLOPs. Divide them by the seconds.",
        },
    },
    terse=True,
)
