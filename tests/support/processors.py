"""Other processors, imitated by what really switches code here: kernels of BLAS, of numpy, of the QP solver and of the C library.

    eval "$(python tests/support/processors.py haswell)" && make test        # everything under one of them
    python tests/support/processors.py                                       # which there are, and what this processor lacks

    OPENBLAS_CORETYPE          the kernel that OpenBLAS loads, in numpy's and in scipy's copy (asserted by `check`)
    NPY_DISABLE_CPU_FEATURES   numpy's own loops
    IMITATED_QP                the build of piqp (see imitated/sitecustomize.py)
    GLIBC_TUNABLES             sin, cos, exp, pow with or without fused multiply-add

An older processor's code runs on a newer one, never the other way round: what this one lacks is skipped in sight.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "imitated"
NO_512 = "-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD"


@dataclass(frozen=True)
class Processor:
    """Attributes:
    kernel: OpenBLAS's name for it;  numpy_without: groups of numpy's loops that it lacks;  qp: build of piqp, empty = its choice.
    glibc: hwcaps that it lacks;  needs: flag of /proc/cpuinfo without which it cannot be imitated.
    """

    kernel: str
    numpy_without: str
    qp: str
    glibc: str
    needs: str

    def environment(self) -> dict[str, str]:
        """What to set before Python starts."""
        found = {"OPENBLAS_CORETYPE": self.kernel}
        if self.numpy_without:
            found["NPY_DISABLE_CPU_FEATURES"] = self.numpy_without
        if self.qp:
            found |= {"IMITATED_QP": self.qp, "PYTHONPATH": str(FOLDER)}
        if self.glibc:
            found["GLIBC_TUNABLES"] = f"glibc.cpu.hwcaps={self.glibc}"
        return found


PROCESSORS = {
    "skylake-x": Processor("SkylakeX", "", "", "", "avx512f"),
    "haswell": Processor("Haswell", "X86_V4 AVX512_ICL AVX512_SPR", "avx2", NO_512, "avx2"),
    "sandy-bridge": Processor("Sandybridge", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "baseline", f"{NO_512},-AVX2,-FMA", "avx"),
    "nehalem": Processor("Nehalem", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "baseline", f"{NO_512},-AVX2,-FMA,-AVX", "sse4_2"),
}


def here() -> dict[str, Processor]:
    """Those that can be imitated on this one."""
    flags = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").is_file() else set()
    return {name: one for name, one in PROCESSORS.items() if one.needs in flags}


def check(name: str) -> None:
    """Raises RuntimeError where this process does not run the code of that processor."""
    import numpy.linalg
    import piqp
    import scipy.linalg  # noqa: F401  (loads its own OpenBLAS)
    import threadpoolctl

    wanted, problems = PROCESSORS[name], []
    kernels = {info["architecture"] for info in threadpoolctl.threadpool_info() if info["internal_api"] == "openblas"}
    if kernels != {wanted.kernel}:
        problems.append(f"OpenBLAS runs {kernels}, not {wanted.kernel}")
    build = piqp.DenseSolver.__module__.rsplit("piqp_python", 1)[-1].strip("_") or "baseline"
    if wanted.qp and build != wanted.qp:
        problems.append(f"piqp runs {build}, not {wanted.qp}")
    if numpy.linalg.__name__ and os.environ.get("GLIBC_TUNABLES", "") != wanted.environment().get("GLIBC_TUNABLES", ""):
        problems.append("GLIBC_TUNABLES is not set")
    if problems:
        raise RuntimeError(f"{name}: {'; '.join(problems)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print("\n".join(f"export {key}={value!r}" for key, value in PROCESSORS[sys.argv[1]].environment().items()))
    else:
        print("\n".join(f"{name}: {'yes' if name in here() else f'no {one.needs} here'}" for name, one in PROCESSORS.items()))
