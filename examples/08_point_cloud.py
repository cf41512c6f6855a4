"""Around what a camera saw: a cloud of points is covered by boxes, and no point is outside of them."""

import numpy as np

import fastmove as fm

robot = fm.load_robot("panda")
start, goal = np.array([-0.7, 0.1, 0, -2.2, 0, 2.3, 0.8]), np.array([0.7, 0.1, 0, -2.2, 0, 2.3, 0.8])
empty = fm.TransferProblem("past a post", robot, (), fm.Scene(), fm.State.rest(start), fm.Goal([goal]), "fer")

x, y, z = fm.pose_at(empty, (start + goal) / 2, "tool").translation  # half way, where a post stands, 20 cm wide
rng = np.random.default_rng(0)
angle, height = rng.uniform(0, 2 * np.pi, 4000), rng.uniform(0.0, z + 0.1, 4000)
cloud = np.stack([x + 0.1 * np.cos(angle), y + 0.1 * np.sin(angle), height], axis=1)  # [m]
post = fm.Obstacle("post", fm.cover_points(cloud, 0.02))
seen = empty.with_(scene=fm.Scene((post,)))
for problem in (empty, seen):
    solution = fm.plan(problem).raise_for_status()
    least = solution.certificate.kinds["clearance"]
    print(f"{len(problem.scene.obstacles)} obstacles: {solution.duration:.3f} s, nearest {least.where}")
print(f"{len(cloud)} points in {len(post.shapes)} boxes")
