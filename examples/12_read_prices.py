"""What a second costs: which limit to buy more of, said by the plan itself, and whether it is true."""

import fastmove as fm

problem = fm.load_problem("heavy_jar").with_(scene=fm.Scene())
solution = fm.plan(problem, fm.Options(explain=True)).raise_for_status()
print(solution.explain())
for price in solution.prices[:3]:
    print(f"5 % more of {price.limit}: {1e3 * price.seconds(0.05):+.1f} ms predicted")
