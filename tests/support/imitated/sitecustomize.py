"""Read by Python at its start where `processors` puts this folder on the path: a QP solver without AVX-512 or AVX2.

`piqp` picks its build by what `piqp.instruction_set` finds; this stands in for that module.
"""

import os
import sys
import types

if os.environ.get("IMITATED_QP"):
    found = types.ModuleType("piqp.instruction_set")
    found.avx512f = False
    found.avx2 = os.environ["IMITATED_QP"] == "avx2"
    sys.modules["piqp.instruction_set"] = found
