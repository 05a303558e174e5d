"""What NVIDIA's datasheets say of some GPUs: peaks that no program reaches, for predictions.

T4: FLOP/s from NVIDIA's T4 datasheet; memory from the product brief PB-09256-001, table 2, "up to 320 GB/s"
(256 bits at 10 Gbit/s; the datasheet has 300); multiprocessors from the Turing architecture whitepaper.
L4: its datasheet; multiprocessors from the Ada architecture whitepaper.
A100: NVIDIA's A100 datasheet (nvidia-1758950-r4), column A100 80GB SXM. The 40 GB card differs in its memory
alone, 1,555 GB/s. Multiprocessors from the Ampere architecture whitepaper.
H100, H200: their datasheets, columns SXM. Dense peaks and multiprocessors from the H100 whitepaper.
B200: NVIDIA's Blackwell datasheet, one GPU of an HGX B200 (7.7 TB/s; other documents say 8).
"""

from typing import NamedTuple

SPARSE = "halved, because the datasheet counts matrices in which half of the numbers are zero"


class GPU(NamedTuple):
    """One card. FLOP/s are of dense matrices; a product and its sum are two."""

    name: str
    float32: float  # FLOP/s of the CUDA cores
    tf32: float | None  # FLOP/s of the tensor cores; None where they lack the format
    bfloat16: float | None
    float16: float
    bytes_per_second: float
    memory_bytes: float
    multiprocessors: int  # among which the blocks of a kernel are distributed
    source: str

    def flops_per_second(self, precision: str) -> float | None:
        """ "float32", "tf32", "bfloat16" or "float16"; None where the card has no units for it."""
        return getattr(self, precision)


HOPPER = (67e12, 494.7e12, 989.4e12, 989.4e12)
GPUS = {
    gpu.name: gpu
    for gpu in (
        GPU("T4", 8.1e12, None, None, 65e12, 320e9, 16e9, 40,
            "NVIDIA T4 Tensor Core GPU, datasheet and product brief"),
        GPU("L4", 30.3e12, 60e12, 121e12, 121e12, 300e9, 24e9, 58,
            f"NVIDIA L4 Tensor Core GPU, datasheet; tensor cores {SPARSE}"),
        GPU("A100", 19.5e12, 156e12, 312e12, 312e12, 2039e9, 80e9, 108,
            "NVIDIA A100 Tensor Core GPU, datasheet, A100 80GB SXM"),
        GPU("H100", *HOPPER, 3350e9, 80e9, 132,
            f"NVIDIA H100 Tensor Core GPU, datasheet, H100 SXM; tensor cores {SPARSE}"),
        GPU("H200", *HOPPER, 4800e9, 141e9, 132,
            f"NVIDIA H200 Tensor Core GPU, datasheet, H200 SXM; tensor cores {SPARSE}"),
        GPU("B200", 75e12, 1.1e15, 2.25e15, 2.25e15, 7700e9, 180e9, 148,
            f"NVIDIA Blackwell, datasheet, HGX B200; tensor cores {SPARSE}"),
    )
}  # fmt: skip
# Of the CPU for each kernel. No datasheet has it: the driver's call alone takes 2 to 5 µs on today's hosts,
# and an operation of eager PyTorch 5 to 10 µs, so this is on the low side. `seconds_per_call` measures it.
LAUNCH_SECONDS = 4e-6
