"""The arm's model for franka-sim, which would fetch one: from the URDF that it brings, without meshes (`make franka-sim`).

`python franka_model.py OUT.xml`.  The simulator's servo is explicit, with 200 Nms/rad every millisecond: below an inertia of
about 0.1 kg m² a joint never comes to rest, so joints get rotor inertias that are larger than real ones, and damping.
"""

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco

ARMATURE = (0.195, 0.195, 0.195, 0.195, 0.15, 0.15, 0.15)  # [kg m²]
DAMPING = 1.0  # [Nms/rad]

package = Path(importlib.util.find_spec("franka_sim").submodule_search_locations[0])
urdf = ET.fromstring((package / "models" / "fr3.urdf").read_text())
for link in urdf.iter("link"):
    for tag in ("visual", "collision"):
        for element in link.findall(tag):
            link.remove(element)
options = ET.SubElement(ET.SubElement(urdf, "mujoco"), "compiler")
options.attrib.update(fusestatic="false", balanceinertia="false", strippath="true")
spec = mujoco.MjSpec.from_string(ET.tostring(urdf, encoding="unicode"))
for joint in spec.joints:
    joint.armature, joint.damping, joint.frictionloss = ARMATURE[int(joint.name[-1]) - 1], DAMPING, 0.0
spec.compile()
Path(sys.argv[1]).write_text(spec.to_xml())
