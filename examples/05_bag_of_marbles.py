"""A bag of marbles may be any of nine bodies: what holding all of them costs, and what a plan for one risks."""

import fastmove as fm

problem = fm.load_problem("bag_of_marbles")
robust = fm.plan(problem).raise_for_status()
nominal = fm.plan(problem.nominal()).raise_for_status()
print(f"for what is believed   {nominal.duration:.3f} s")
print(f"for all of the set     {robust.duration:.3f} s, {robust.duration / nominal.duration - 1:.1%} longer")

# The certificate of the first motion for the whole set: which bodies would slip?
risk = fm.certify(problem, nominal.trajectory).kinds["hold"]
print(f"the faster one uses up to {1 - risk.normalised:.0%} of the hold, for a body that the bag may be")
