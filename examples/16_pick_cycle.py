"""A whole pick cycle: approach, close, lift, transfer, place, open; then the same in physics."""

import fastmove as fm

cycle = fm.plan_cycle(fm.load_problem("open_cup"))
print(cycle)
if cycle.ok:
    run = fm.run_cycle(cycle)
    print(run)
    print(f"{cycle.units_per_hour:.0f} units an hour, item at rest {run.placed * 1e3:.2f} mm from its goal")
