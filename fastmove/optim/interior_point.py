"""Interior-point method for programs over a spline, compiled: a banded factorisation with a border.

It solves  minimise ½ xᵀ P x + cᵀ x  subject to  G x + s = h,  s in a product of half lines and second-order cones  by Mehrotra's
predictor–corrector with Nesterov–Todd scaling (Vandenberghe, The CVXOPT linear and quadratic cone program solvers, 2010).  Each
direction comes from the condensed system  (P + Gᵀ W⁻² G) dx = r.  Its structure (`BandedProgram`): the constraints of a site
touch the four control points of one span through a few lifted quantities y = A D, the border u, and variables l of its own.  So

    per site      M = Gᵀ W⁻² G over (y, u, l), a few rows wide; l is eliminated there (Schur complement)
    together      P + Σ Aᵀ M A over D: banded, half bandwidth 4 n; with the border u, one or two wide

Loops are explicit and in a fixed order, without BLAS and without fast-math, so that every x86-64 processor gives the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmove.arrays import Array
from fastmove.compiled import compiled

DENSE, PLACE, JOINT = 0, 1, 2  # Kinds of lifted quantities: rows over a span, the configuration there, one joint of it.
MAX_ITERATIONS = 60
BACKOFF = 0.99  # Share of the way to the boundary of the cones that a step takes.
FIRST_SLACK = 0.1  # Least distance of the first slacks from the boundary of their cones.
FIRST_MU = 3.0  # Complementarity with which the method begins.
REGULARISATION = 1e-11  # Added to the diagonals of the factorisations.


class Structure(NamedTuple):
    """Where the entries of a program are.

    Attributes:
        sites: (C, 12) integers of every site: kind, span, joint, first coefficient, first y, number of y, first l, number of l,
            first and last cone, first entry of its factor, first entry of its ratios.
        quads: (Q, 4) sites of one dense quantity in the same span; the last one repeated where there are fewer than four.
        coefs: Coefficients of all A.
        n: Number of joints.
        blocks: (B, 2) first row and number of rows of every cone.
        at: (R + 1,) first entry of every row of G.
        column: (E,) column of every entry of G in v = (y, u, l).
        place: (E,) its column within its site's (y, u, l).
        value: (E,) entries of G.
    """

    sites: Array
    quads: Array
    coefs: Array
    n: int
    blocks: Array
    at: Array
    column: Array
    place: Array
    value: Array


class Costs(NamedTuple):
    """What a program minimises.

    Attributes:
        band: (N, 4 n) upper band of P over D.
        corner: (nu,) its diagonal for u.
        cost: (N,) c of D.
        linear: (ny + nu + nl,) c of u and l, in the places of v.
    """

    band: Array
    corner: Array
    cost: Array
    linear: Array


class Factors(NamedTuple):
    """Factors of the condensed system, set by `_factor`.

    Attributes:
        h: (N, 4 n) Cholesky factor of the band.
        border: (2 nu, N) coupling of u and D, and H⁻¹ times it.
        schur: (nu, nu) Schur complement of the border.
        local: Factors of the sites' own variables.
        ratio: M_ll⁻¹ M_l,(y, u) of all sites.
        product: (v, v) work space for M of one site.
        cone: (k, v) work space for the rows of one cone.
        half: (m + 1, 4 n) work space for M A.
        weight: (3, C) M of the sites of one dense quantity: (y, y), (y, u₀), (y, u₁).
    """

    h: Array
    border: Array
    schur: Array
    local: Array
    ratio: Array
    product: Array
    cone: Array
    half: Array
    weight: Array


@compiled
def _lift(sites, coefs, n, d, y):  # type: ignore[no-untyped-def]
    """Set y = A D of all sites."""
    width = 4 * n
    for c in range(len(sites)):
        kind, first, joint, a, o, m = sites[c, 0], sites[c, 1] * n, sites[c, 2], sites[c, 3], sites[c, 4], sites[c, 5]
        if kind == DENSE:
            here = d[first : first + width]
            for r in range(m):
                row = coefs[a + r * width : a + r * width + width]
                t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0  # four sums: one would wait for every addition
                for j in range(0, width, 4):
                    t0 += row[j] * here[j]
                    t1 += row[j + 1] * here[j + 1]
                    t2 += row[j + 2] * here[j + 2]
                    t3 += row[j + 3] * here[j + 3]
                y[o + r] = (t0 + t1) + (t2 + t3)
        elif kind == PLACE:
            for i in range(n):
                total = 0.0
                for p in range(4):
                    total += coefs[a + p] * d[first + p * n + i]
                y[o + i] = total
        else:
            total = 0.0
            for p in range(4):
                total += coefs[a + p] * d[first + p * n + joint]
            y[o] = total


@compiled
def _spread(sites, coefs, n, y, d):  # type: ignore[no-untyped-def]
    """Add to D: Aᵀ y of all sites."""
    width = 4 * n
    for c in range(len(sites)):
        kind, first, joint, a, o, m = sites[c, 0], sites[c, 1] * n, sites[c, 2], sites[c, 3], sites[c, 4], sites[c, 5]
        if kind == DENSE:
            here = d[first : first + width]
            for r in range(m):
                t, row = y[o + r], coefs[a + r * width : a + r * width + width]
                for j in range(width):
                    here[j] += row[j] * t
        elif kind == PLACE:
            for p in range(4):
                b = coefs[a + p]
                for i in range(n):
                    d[first + p * n + i] += b * y[o + i]
        else:
            for p in range(4):
                d[first + p * n + joint] += coefs[a + p] * y[o]


@compiled
def _times(at, column, value, v, out):  # type: ignore[no-untyped-def]
    """Set out = G v."""
    for r in range(len(at) - 1):
        total = 0.0
        for e in range(at[r], at[r + 1]):
            total += value[e] * v[column[e]]
        out[r] = total


@compiled
def _transposed(at, column, value, z, out):  # type: ignore[no-untyped-def]
    """Set out = Gᵀ z."""
    out[:] = 0.0
    for r in range(len(at) - 1):
        t = z[r]
        for e in range(at[r], at[r + 1]):
            out[column[e]] += value[e] * t


@compiled
def _scale(blocks, s, z, eta, bar, lam):  # type: ignore[no-untyped-def]
    """Nesterov–Todd scaling: W = η (2 v vᵀ − J) with v = (w̄ + e) / √(2 (w̄₀ + 1)); λ = W z.  Returns False outside of the cones.

    Args:
        blocks: (B, 2) first row and number of rows of every cone.
        s: (R,) slacks.
        z: (R,) multipliers.
        eta: (B,) scale η of every cone, to be set.
        bar: (R,) w̄ of every cone, to be set; of a half line 1.
        lam: (R,) scaled point λ, to be set.
    """
    for b in range(len(blocks)):
        f, k = blocks[b, 0], blocks[b, 1]
        if k == 1:
            if not (s[f] > 0.0 and z[f] > 0.0):
                return False
            eta[b] = np.sqrt(s[f] / z[f])
            bar[f] = 1.0
            lam[f] = np.sqrt(s[f] * z[f])
            continue
        ss, zz, sz = s[f] * s[f], z[f] * z[f], s[f] * z[f]
        for i in range(f + 1, f + k):
            ss -= s[i] * s[i]
            zz -= z[i] * z[i]
            sz += s[i] * z[i]
        if not (ss > 0.0 and zz > 0.0 and s[f] > 0.0 and z[f] > 0.0):
            return False
        rs, rz = np.sqrt(ss), np.sqrt(zz)
        gamma = np.sqrt((1.0 + sz / (rs * rz)) / 2.0)
        eta[b] = np.sqrt(rs / rz)
        bar[f] = (s[f] / rs + z[f] / rz) / (2.0 * gamma)
        for i in range(f + 1, f + k):
            bar[i] = (s[i] / rs - z[i] / rz) / (2.0 * gamma)
    _scaled(blocks, eta, bar, z, lam, 1.0)
    return True


@compiled
def _scaled(blocks, eta, bar, x, out, way):  # type: ignore[no-untyped-def]
    """Set out = W x for way = 1, W⁻¹ x for way = −1.

    W x = η (w̄₀ x₀ + w̄₁ᵀx₁, x₁ + (x₀ + w̄₁ᵀx₁ / (1 + w̄₀)) w̄₁); W⁻¹ is the same with −w̄₁ and 1/η.
    """
    for b in range(len(blocks)):
        f, k = blocks[b, 0], blocks[b, 1]
        scale = eta[b] if way > 0 else 1.0 / eta[b]
        if k == 1:
            out[f] = scale * x[f]
            continue
        dot = 0.0
        for i in range(f + 1, f + k):
            dot += bar[i] * x[i]
        head = x[f]
        along = way * head + dot / (1.0 + bar[f])
        out[f] = scale * (bar[f] * head + way * dot)
        for i in range(f + 1, f + k):
            out[i] = scale * (x[i] + along * bar[i])


@compiled
def _factor(where, costs, eta, bar, f):  # type: ignore[no-untyped-def]
    """Assemble and factorise the condensed system; returns whether it is positive definite."""
    nu = len(costs.corner)
    f.h[:] = costs.band
    f.border[:] = 0.0
    f.schur[:] = 0.0
    for i in range(nu):
        f.schur[i, i] = costs.corner[i] + REGULARISATION
    _add_singles(where, eta, f)  # most sites are of one quantity with two rows
    for c in range(len(where.sites)):
        kind, m, nl = where.sites[c, 0], where.sites[c, 5], where.sites[c, 7]
        if m == 1 and nl == 0:
            continue
        _site_matrix(where, c, nu, eta, bar, f)
        if nl > 0 and not _eliminate(where, c, nu, f):
            return False
        for i in range(nu):
            for j in range(nu):
                f.schur[i, j] += f.product[m + i, m + j]
        if kind == DENSE:
            _add_dense(where, c, nu, f)
        else:
            _add_place(where, c, nu, f)
    _add_quads(where, f)
    if not _cholesky(f.h):
        return False
    for u in range(nu):
        f.border[nu + u] = f.border[u]
        _back(f.h, f.border[nu + u])
    for i in range(nu):
        for j in range(nu):
            total = 0.0
            for k in range(len(costs.cost)):
                total += f.border[i, k] * f.border[nu + j, k]
            f.schur[i, j] -= total
    return True


@compiled
def _add_singles(where, eta, f):  # type: ignore[no-untyped-def]
    """Add all sites of one quantity and no variables of their own; what dense ones have over D follows in `_add_quads`."""
    at, place, value, coefs, n = where.at, where.place, where.value, where.coefs, where.n
    sites, blocks, schur, h, border, weight = where.sites, where.blocks, f.schur, f.h, f.border, f.weight
    nu = len(schur)
    for c in range(len(sites)):
        if sites[c, 5] != 1 or sites[c, 7] != 0:
            continue
        yy, yu0, yu1, u00, u01, u11 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for b in range(sites[c, 8], sites[c, 9]):
            gy, g0, g1, row = 0.0, 0.0, 0.0, blocks[b, 0]
            for e in range(at[row], at[row + 1]):
                if place[e] == 0:
                    gy = value[e]
                elif place[e] == 1:
                    g0 = value[e]
                else:
                    g1 = value[e]
            w = 1.0 / (eta[b] * eta[b])
            yy += w * gy * gy
            yu0 += w * gy * g0
            yu1 += w * gy * g1
            u00 += w * g0 * g0
            u01 += w * g0 * g1
            u11 += w * g1 * g1
        schur[0, 0] += u00
        if nu == 2:
            schur[0, 1] += u01
            schur[1, 0] += u01
            schur[1, 1] += u11
        if sites[c, 0] == DENSE:
            weight[0, c], weight[1, c], weight[2, c] = yy, yu0, yu1
            continue
        first, a = sites[c, 1] * n + sites[c, 2], sites[c, 3]
        for p in range(4):
            x, i = coefs[a + p], first + p * n
            for q in range(p, 4):
                h[i, (q - p) * n] += x * coefs[a + q] * yy
            border[0, i] += x * yu0
            if nu == 2:
                border[1, i] += x * yu1


@compiled
def _site_matrix(where, c, nu, eta, bar, f):  # type: ignore[no-untyped-def]
    """M = Gᵀ W⁻² G of one site, as (W⁻¹ G)ᵀ (W⁻¹ G)."""
    at, place, value, m_all, g = where.at, where.place, where.value, f.product, f.cone
    size = where.sites[c, 5] + nu + where.sites[c, 7]
    m_all[:size, :size] = 0.0
    for b in range(where.sites[c, 8], where.sites[c, 9]):
        row, k = where.blocks[b, 0], where.blocks[b, 1]
        if k == 1:
            w = 1.0 / (eta[b] * eta[b])
            for e in range(at[row], at[row + 1]):
                i, x = place[e], w * value[e]
                for o in range(at[row], at[row + 1]):
                    m_all[i, place[o]] += x * value[o]
            continue
        g[:k, :size] = 0.0
        for r in range(k):
            for e in range(at[row + r], at[row + r + 1]):
                g[r, place[e]] += value[e]
        scale = 1.0 / eta[b]
        for j in range(size):  # W⁻¹ G, column by column
            head, dot = g[0, j], 0.0
            for r in range(1, k):
                dot += bar[row + r] * g[r, j]
            along = -head + dot / (1.0 + bar[row])
            g[0, j] = scale * (bar[row] * head - dot)
            for r in range(1, k):
                g[r, j] = scale * (g[r, j] + along * bar[row + r])
        for r in range(k):
            for i in range(size):
                x = g[r, i]
                if x != 0.0:
                    for j in range(size):
                        m_all[i, j] += x * g[r, j]


@compiled
def _eliminate(where, c, nu, f):  # type: ignore[no-untyped-def]
    """Eliminate l of one site: Cholesky of M_ll, M_ll⁻¹ M_l,(y, u), Schur complement; returns whether M_ll is definite."""
    nl, l_at, k_at, kept = where.sites[c, 7], where.sites[c, 10], where.sites[c, 11], where.sites[c, 5] + nu
    m_all, local, ratio = f.product, f.local, f.ratio
    for i in range(nl):
        for j in range(i + 1):
            x = m_all[kept + i, kept + j]
            for o in range(j):
                x -= local[l_at + i * nl + o] * local[l_at + j * nl + o]
            if i == j:
                x += REGULARISATION
                if not x > 0.0:
                    return False
                local[l_at + i * nl + i] = np.sqrt(x)
            else:
                local[l_at + i * nl + j] = x / local[l_at + j * nl + j]
    for j in range(kept):
        for i in range(nl):
            x = m_all[kept + i, j]
            for o in range(i):
                x -= local[l_at + i * nl + o] * ratio[k_at + o * kept + j]
            ratio[k_at + i * kept + j] = x / local[l_at + i * nl + i]
    for o in range(nl):  # with K' = L⁻¹ M_l,(y, u) the complement is M − K'ᵀ K'
        for i in range(kept):
            x = ratio[k_at + o * kept + i]
            if x != 0.0:
                for j in range(kept):
                    m_all[i, j] -= x * ratio[k_at + o * kept + j]
    for j in range(kept):
        for i in range(nl - 1, -1, -1):
            x = ratio[k_at + i * kept + j]
            for o in range(i + 1, nl):
                x -= local[l_at + o * nl + i] * ratio[k_at + o * kept + j]
            ratio[k_at + i * kept + j] = x / local[l_at + i * nl + i]
    return True


@compiled
def _add_dense(where, c, nu, f):  # type: ignore[no-untyped-def]
    """Add Aᵀ M A of a site with rows of its own."""
    coefs, width, m, a = where.coefs, 4 * where.n, where.sites[c, 5], where.sites[c, 3]
    first, m_all, t = where.sites[c, 1] * where.n, f.product, f.half
    t[: m + 1] = 0.0
    for r in range(m):
        for q in range(m):
            x, row = m_all[r, q], coefs[a + q * width : a + q * width + width]
            for j in range(width):
                t[r, j] += x * row[j]
        for u in range(nu):
            x, row, one = m_all[r, m + u], coefs[a + r * width : a + r * width + width], f.border[u, first : first + width]
            for j in range(width):
                one[j] += x * row[j]
    for r in range(0, m, 2):  # two rows at a time; after an odd number of them comes one of zeros
        one, other = a + r * width, a + min(r + 1, m - 1) * width
        for i in range(width):
            x, z, row, t0, t1 = coefs[one + i], coefs[other + i], f.h[first + i], t[r, i:], t[r + 1, i:]
            for j in range(width - i):
                row[j] += x * t0[j] + z * t1[j]


@compiled
def _add_place(where, c, nu, f):  # type: ignore[no-untyped-def]
    """Add Aᵀ M A of a site whose quantities are the configuration: (b bᵀ) ⊗ M."""
    coefs, n, m, a, m_all = where.coefs, where.n, where.sites[c, 5], where.sites[c, 3], f.product
    first = where.sites[c, 1] * n
    for p in range(4):
        x = coefs[a + p]
        if x == 0.0:
            continue
        for i in range(n):
            for j in range(i, n):
                f.h[first + p * n + i, j - i] += x * x * m_all[i, j]
            for u in range(nu):
                f.border[u, first + p * n + i] += x * m_all[i, m + u]
        for q in range(p + 1, 4):
            w, gap = x * coefs[a + q], (q - p) * n
            for i in range(n):
                for j in range(n):
                    f.h[first + p * n + i, gap + j - i] += w * m_all[i, j]


@compiled
def _add_quads(where, f):  # type: ignore[no-untyped-def]
    """Add what sites of one dense quantity have over D, four at a time: one at a time would load and store H for each."""
    sites, coefs, width, weight = where.sites, where.coefs, 4 * where.n, f.weight
    for q in range(len(where.quads)):
        c0, c1, c2, c3 = where.quads[q, 0], where.quads[q, 1], where.quads[q, 2], where.quads[q, 3]
        a0, a1, a2, a3 = sites[c0, 3], sites[c1, 3], sites[c2, 3], sites[c3, 3]
        # 0 where a site is repeated
        k1, k2, k3 = 1.0 if c1 != c0 else 0.0, 1.0 if c2 != c1 else 0.0, 1.0 if c3 != c2 else 0.0
        w0, w1, w2, w3 = weight[0, c0], k1 * weight[0, c1], k2 * weight[0, c2], k3 * weight[0, c3]
        first = sites[c0, 1] * where.n
        r0, r1, r2, r3 = (coefs[a0 : a0 + width], coefs[a1 : a1 + width], coefs[a2 : a2 + width], coefs[a3 : a3 + width])
        for i in range(width):  # rows as slices, whose indices are never negative: else no loop over them becomes one of vectors
            x0, x1, x2, x3 = w0 * r0[i], w1 * r1[i], w2 * r2[i], w3 * r3[i]
            b0, b1, b2, b3, row = r0[i:], r1[i:], r2[i:], r3[i:], f.h[first + i]
            for j in range(len(b0)):
                row[j] += (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j])
        for u in range(len(f.schur)):
            x0, x1, x2, x3 = weight[1 + u, c0], k1 * weight[1 + u, c1], k2 * weight[1 + u, c2], k3 * weight[1 + u, c3]
            row = f.border[u, first : first + width]
            for j in range(width):
                row[j] += (x0 * r0[j] + x1 * r1[j]) + (x2 * r2[j] + x3 * r3[j])


@compiled
def _cholesky(h):  # type: ignore[no-untyped-def]
    """Cholesky factor Rᵀ R of a banded matrix in its upper band (N, w), in place.  Returns whether there is one."""
    size, width = h.shape
    for k in range(size):
        d = h[k, 0] + REGULARISATION
        if not d > 0.0:
            return False
        d = np.sqrt(d)
        h[k, 0] = d
        m = min(width, size - k)
        for j in range(1, m):
            h[k, j] /= d
        for i in range(1, m):
            t = h[k, i]
            if t != 0.0:
                for j in range(m - i):
                    h[k + i, j] -= t * h[k, i + j]
    return True


@compiled
def _back(h, b):  # type: ignore[no-untyped-def]
    """Solve with a banded Cholesky factor, in place."""
    size, width = h.shape
    for k in range(size):
        b[k] /= h[k, 0]
        t = b[k]
        for j in range(1, min(width, size - k)):
            b[k + j] -= h[k, j] * t
    for k in range(size - 1, -1, -1):
        s = b[k]
        for j in range(1, min(width, size - k)):
            s -= h[k, j] * b[k + j]
        b[k] = s / h[k, 0]


@compiled
def _solve(where, f, d, v, y):  # type: ignore[no-untyped-def]
    """Solve the factorised system for one right-hand side, (d; u, l of v), in place; y of v becomes A d.

    Args:
        where: The structure.
        f: The factors.
        d: (N,) right-hand side and solution for D.
        v: (ny + nu + nl,) right-hand side and solution for u and l, in their places.
        y: (ny,) work space.
    """
    sites, coefs, n, h, border, schur, ratio = where.sites, where.coefs, where.n, f.h, f.border, f.schur, f.ratio
    ny, nu = len(y), len(schur)
    y[:] = 0.0
    for c in range(len(sites)):
        o, m, l0, nl, k_at = sites[c, 4], sites[c, 5], sites[c, 6], sites[c, 7], sites[c, 11]
        kept = m + nu
        for i in range(nl):
            x = v[ny + nu + l0 + i]
            for j in range(m):
                y[o + j] -= ratio[k_at + i * kept + j] * x
            for u in range(nu):
                v[ny + u] -= ratio[k_at + i * kept + m + u] * x
    _spread(sites, coefs, n, y, d)
    _back(h, d)
    for u in range(nu):
        for k in range(len(d)):
            v[ny + u] -= border[u, k] * d[k]
    if nu == 1:
        v[ny] /= schur[0, 0]
    else:
        det = schur[0, 0] * schur[1, 1] - schur[0, 1] * schur[1, 0]
        first, second = v[ny], v[ny + 1]
        v[ny] = (schur[1, 1] * first - schur[0, 1] * second) / det
        v[ny + 1] = (schur[0, 0] * second - schur[1, 0] * first) / det
    for u in range(nu):
        x = v[ny + u]
        for k in range(len(d)):
            d[k] -= border[nu + u, k] * x
    _lift(sites, coefs, n, d, y)
    _solve_locals(where, f, v, y)
    v[:ny] = y


@compiled
def _solve_locals(where, f, v, y):  # type: ignore[no-untyped-def]
    """The sites' own variables: l = M_ll⁻¹ r − M_ll⁻¹ M_l,(y, u) (y, u), in place in v."""
    sites, ny, nu, local, ratio = where.sites, len(y), len(f.schur), f.local, f.ratio
    for c in range(len(sites)):
        o, m, l0, nl, l_at, k_at = sites[c, 4], sites[c, 5], sites[c, 6], sites[c, 7], sites[c, 10], sites[c, 11]
        kept, f = m + nu, ny + nu + l0
        for i in range(nl):
            x = v[f + i]
            for j in range(i):
                x -= local[l_at + i * nl + j] * v[f + j]
            v[f + i] = x / local[l_at + i * nl + i]
        for i in range(nl - 1, -1, -1):
            x = v[f + i]
            for j in range(i + 1, nl):
                x -= local[l_at + j * nl + i] * v[f + j]
            v[f + i] = x / local[l_at + i * nl + i]
        for i in range(nl):
            x = 0.0
            for j in range(m):
                x += ratio[k_at + i * kept + j] * y[o + j]
            for u in range(nu):
                x += ratio[k_at + i * kept + m + u] * v[ny + u]
            v[f + i] -= x


@compiled
def _longest(blocks, s, ds):  # type: ignore[no-untyped-def]
    """Largest α ≤ 1 / `BACKOFF` for which s + α ds stays in the cones."""
    most = 1.0 / BACKOFF
    for b in range(len(blocks)):
        f, k = blocks[b, 0], blocks[b, 1]
        if k == 1:
            if ds[f] < 0.0 and -s[f] > most * ds[f]:
                most = -s[f] / ds[f]
            continue
        # c + 2 b α + a α² = 0 with the Lorentz forms; the least positive root
        qa, qb, qc = ds[f] * ds[f], s[f] * ds[f], s[f] * s[f]
        for i in range(f + 1, f + k):
            qa -= ds[i] * ds[i]
            qb -= s[i] * ds[i]
            qc -= s[i] * s[i]
        root = qb * qb - qa * qc
        if ds[f] < 0.0 and s[f] + most * ds[f] < 0.0:
            most = -s[f] / ds[f]
        if qa < 0.0 or (qb < 0.0 and root >= 0.0):
            step = qc / (np.sqrt(max(root, 0.0)) - qb)
            if 0.0 <= step < most:
                most = step
    return most


@compiled
def _directed(blocks, eta, bar, lam, dsa, dza, sigma_mu, work, t):  # type: ignore[no-untyped-def]
    r"""Set t = λ \ (σμ e − λ∘λ − (W⁻¹ ds_a)∘(W dz_a)): where the complementarity is led to.

    Args:
        blocks: (B, 2) first row and number of rows of every cone.
        eta: (B,) scales of the cones.
        bar: (R,) w̄ of the cones.
        lam: (R,) scaled point λ.
        dsa: (R,) W⁻¹ ds of the predictor.
        dza: (R,) W dz of the predictor.
        sigma_mu: σ μ.
        work: (R,) work space.
        t: (R,) to be set.
    """
    for b in range(len(blocks)):
        f, k = blocks[b, 0], blocks[b, 1]
        if k == 1:
            t[f] = (sigma_mu - lam[f] * lam[f] - dsa[f] * dza[f]) / lam[f]
            continue
        head, low = sigma_mu, 0.0
        for i in range(f, f + k):
            head -= lam[i] * lam[i] + dsa[i] * dza[i]
        cross, det = 0.0, lam[f] * lam[f]
        for i in range(f + 1, f + k):
            work[i] = -2.0 * lam[f] * lam[i] - dsa[f] * dza[i] - dza[f] * dsa[i]
            cross += lam[i] * work[i]
            det -= lam[i] * lam[i]
        low = (lam[f] * head - cross) / det
        t[f] = low
        for i in range(f + 1, f + k):
            t[i] = (work[i] - low * lam[i]) / lam[f]


@compiled
def _banded_product(band, x, out):  # type: ignore[no-untyped-def]
    """Set out = P x of a symmetric matrix in its upper band."""
    size, width = band.shape
    out[:] = 0.0
    for k in range(size):
        t, total = x[k], band[k, 0] * x[k]
        for j in range(1, min(width, size - k)):
            p = band[k, j]
            total += p * x[k + j]
            out[k + j] += p * t
        out[k] += total


@compiled
def _begin(blocks, h0, s, z):  # type: ignore[no-untyped-def]
    """Where it begins: no change, slacks led into the cones by at least `FIRST_SLACK`, multipliers on the central path.

    A step begins at a motion that keeps nearly all limits: from there it is half the way of the usual least-squares start.
    """
    for b in range(len(blocks)):
        f, k = blocks[b, 0], blocks[b, 1]
        norm = 0.0
        for i in range(f + 1, f + k):
            s[i] = h0[i]
            norm += s[i] * s[i]
        s[f] = max(h0[f], np.sqrt(norm) + FIRST_SLACK)
        scale = FIRST_MU / (s[f] * s[f] - norm)
        z[f] = scale * s[f]
        for i in range(f + 1, f + k):
            z[i] = -scale * s[i]


@compiled
def _residuals(where, costs, h0, p, r):  # type: ignore[no-untyped-def]
    """Residuals at a point; returns the largest of the rows, the largest of the gradient, the gap, and the objective.

    Args:
        where: The structure.
        costs: What is minimised.
        h0: (R,) h.
        p: The point d, v, s, z.
        r: Residuals P D + c + (Gᵀ z)_D, those of u and l in the places of v, G x + s − h; work space (N,), (ny,).
    """
    d, v, s, z = p
    gd, gv, rz, product, y = r
    ny, nu = len(y), len(costs.corner)
    _banded_product(costs.band, d, product)
    _transposed(where.at, where.column, where.value, z, gv)
    y[:] = gv[:ny]
    gd[:] = product + costs.cost
    _spread(where.sites, where.coefs, where.n, y, gd)
    objective, worst, gap, dual = 0.0, 0.0, 0.0, 0.0
    for k in range(len(d)):
        objective += d[k] * (product[k] / 2 + costs.cost[k])
        dual = max(dual, abs(gd[k]))
    for u in range(nu):
        x = v[ny + u]
        gv[ny + u] += costs.corner[u] * x
        objective += x * x * costs.corner[u] / 2
    for k in range(ny, len(v)):
        gv[k] += costs.linear[k]
        objective += costs.linear[k] * v[k]
        dual = max(dual, abs(gv[k]))
    _times(where.at, where.column, where.value, v, rz)
    for k in range(len(rz)):
        rz[k] += s[k] - h0[k]
        worst = max(worst, abs(rz[k]))
        gap += s[k] * z[k]
    return worst, dual, gap, objective


@compiled
def _direction(where, scaling, f, keep, t, r, step, work):  # type: ignore[no-untyped-def]
    """Direction from the condensed system: dx, then dz = W⁻² (G dx − q) and ds, with q = bz − W t.

    Args:
        where: The structure.
        scaling: η, w̄ and λ.
        f: The factors.
        keep: Share of the residuals that is to be taken off.
        t: (R,) where the complementarity is led to.
        r: Residuals, see `_residuals`.
        step: dd, dv, ds, dz, to be set.
        work: Three arrays (R,).
    """
    eta, bar, _ = scaling
    gd, gv, rz, _, y = r
    dd, dv, ds, dz = step
    q, one, other = work
    ny = len(y)
    _scaled(where.blocks, eta, bar, t, q, 1.0)
    for k in range(len(rz)):
        q[k] = -keep * rz[k] - q[k]
    _scaled(where.blocks, eta, bar, q, one, -1.0)
    _scaled(where.blocks, eta, bar, one, other, -1.0)
    _transposed(where.at, where.column, where.value, other, dv)
    y[:] = dv[:ny]
    dd[:] = -keep * gd
    _spread(where.sites, where.coefs, where.n, y, dd)
    for k in range(ny, len(dv)):
        dv[k] -= keep * gv[k]
    _solve(where, f, dd, dv, y)
    _times(where.at, where.column, where.value, dv, ds)
    for k in range(len(rz)):
        one[k] = ds[k] - q[k]
        ds[k] = -keep * rz[k] - ds[k]
    _scaled(where.blocks, eta, bar, one, other, -1.0)
    _scaled(where.blocks, eta, bar, other, dz, -1.0)


@compiled
def _factors(where, costs, locals_, ratios):  # type: ignore[no-untyped-def]
    """Room for the factors of a program."""
    size, nu, most, tall = len(costs.cost), len(costs.corner), 1, 1
    for c in range(len(where.sites)):
        most = max(most, where.sites[c, 5] + nu + where.sites[c, 7])
    for b in range(len(where.blocks)):
        tall = max(tall, where.blocks[b, 1])
    return Factors(
        np.zeros(costs.band.shape), np.zeros((2 * nu, size)), np.zeros((nu, nu)), np.zeros(locals_), np.zeros(ratios),
        np.zeros((most, most)), np.zeros((tall, most)), np.zeros((most + 1, 4 * where.n)), np.zeros((3, len(where.sites))),
    )  # fmt: skip


@compiled
def interior_point(where, costs, h0, sizes, tolerance):  # type: ignore[no-untyped-def]
    """Solve a banded program.

    Args:
        where: The structure.
        costs: What is minimised.
        h0: (R,) h.
        sizes: Numbers of entries of all factors, of all ratios, and of all y.
        tolerance: Absolute and relative tolerance of residuals and gap.

    Returns:
        D (N,), v (ny + nu + nl,), the number of iterations, and whether it converged.
    """
    size, rows, count, ny, blocks = len(costs.cost), len(h0), len(costs.linear), sizes[2], where.blocks
    d, v, s, z = np.zeros(size), np.zeros(count), np.zeros(rows), np.zeros(rows)
    dd, dv, ds, dz = np.zeros(size), np.zeros(count), np.zeros(rows), np.zeros(rows)
    gd, gv, rz = np.zeros(size), np.zeros(count), np.zeros(rows)
    residuals = gd, gv, rz, np.zeros(size), np.zeros(ny)
    eta, bar, lam = np.ones(len(blocks)), np.zeros(rows), np.zeros(rows)
    t, q, one, other = np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows)
    f = _factors(where, costs, sizes[0], sizes[1])
    _begin(blocks, h0, s, z)
    top, side = max(1.0, np.abs(h0).max()), max(1.0, np.abs(costs.cost).max(), np.abs(costs.linear).max())
    for iteration in range(MAX_ITERATIONS):
        worst, dual, gap, objective = _residuals(where, costs, h0, (d, v, s, z), residuals)
        if not np.isfinite(gap + worst + dual):
            break
        if worst <= tolerance * top and dual <= tolerance * side and gap <= tolerance * max(1.0, abs(objective)):
            return d, v, iteration, True
        if not _scale(blocks, s, z, eta, bar, lam) or not _factor(where, costs, eta, bar, f):
            break
        sigma, alpha = 0.0, 1.0
        for k in range(rows):
            t[k] = -lam[k]
        for corrected in range(2):
            _direction(where, (eta, bar, lam), f, 1.0 - sigma, t, residuals, (dd, dv, ds, dz), (q, one, other))
            alpha = min(1.0, BACKOFF * min(_longest(blocks, s, ds), _longest(blocks, z, dz)))
            if corrected == 0:
                after = 0.0
                for k in range(rows):
                    after += (s[k] + alpha * ds[k]) * (z[k] + alpha * dz[k])
                sigma = min(1.0, max(0.0, after / gap)) ** 3
                _scaled(blocks, eta, bar, ds, one, -1.0)
                _scaled(blocks, eta, bar, dz, other, 1.0)
                _directed(blocks, eta, bar, lam, one, other, sigma * gap / len(blocks), q, t)
        d += alpha * dd
        v += alpha * dv
        s += alpha * ds
        z += alpha * dz
        if alpha < 1e-8:
            break
    return d, v, MAX_ITERATIONS, False
