"""Results of a benchmark, made up."""


def one(label, seconds, *, floor=False, cpu=None, images=100):
    return {
        "label": label, "what": f"what {label} is", "floor": floor, "images": images,
        "seconds": seconds, "cpu_seconds": cpu or seconds, "peak_bytes": 3_000_000,
    }  # fmt: skip


def results(**trainers):
    workload = {"title": "1 × 8, batch 4", "seeds": 1, "images": 100, "trainers": trainers}
    return {"schema": 1, "workloads": {"small": workload}}


OURS = one("fmnist-lab", [2.0, 1.0, 9.0], cpu=[3.0, 1.5, 13.5])
SLOW = one("slow", [8.0, 7.0, 100.0], images=25)
PRODUCTS = one("matrix products alone", [1.0, 0.5, 1.5], floor=True)
