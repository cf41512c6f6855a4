"""Pinch or suction: the same cereal box by two fingers and by a cup on its top."""

import fastmove as fm

problem = fm.load_problem("cereal_box").with_(scene=fm.Scene())
for way in fm.plan_contacts(problem):
    sentence = f"{way.duration:.3f} s" if way.solution is not None and way.solution.ok else way.reason
    print(f"{way.id:<8} {sentence}")
    if way.solution is not None and way.solution.ok:
        print(f"         in physics: {fm.judge.judge(way.solution.problem, way.solution.trajectory)}")
