"""Interior-point method for programs over a spline, compiled: a banded factorisation with a border.

It solves  minimise ½ xᵀ P x + cᵀ x  subject to  G x + s = h,  s in a product of half lines and second-order cones  by Mehrotra's
predictor–corrector with Nesterov–Todd scaling (Vandenberghe, The CVXOPT linear and quadratic cone program solvers, 2010).  Each
direction comes from the condensed system  (P + Gᵀ W⁻² G) dx = r.  Its structure (`BandedProgram`): the constraints of a site touch
the four control points of one span through a few lifted quantities y = A D, the border u, and variables l of its own.  So

    per site      M = Gᵀ W⁻² G over (y, u, l), a few rows wide; l is eliminated there (Schur complement)
    together      P + Σ Aᵀ M A over D: banded, half bandwidth 4 n; with the border u, one or two wide

Loops are explicit and in a fixed order, without BLAS and without fast-math, so that every x86-64 processor gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastmove.arrays import Array

DENSE, PLACE, JOINT = 0, 1, 2  # Kinds of lifted quantities: rows over a span, the configuration there, one joint of it.
MAX_ITERATIONS = 60
BACKOFF = 0.99  # Share of the way to the boundary of the cones that a step takes.
FIRST_SLACK = 0.1  # Least distance of the first slacks from the boundary of their cones.
FIRST_MU = 3.0  # Complementarity with which the method begins.
REGULARISATION = 1e-11  # Added to the diagonals of the factorisations.

compiled = njit(cache=True, error_model="numpy")


@compiled
def _lift(sites, coefs, n, d, y):  # type: ignore[no-untyped-def]
    """y = A D of all sites."""
    width = 4 * n
    for c in range(len(sites)):
        kind, first, joint, a, o, m = sites[c, 0], sites[c, 1] * n, sites[c, 2], sites[c, 3], sites[c, 4], sites[c, 5]
        if kind == DENSE:
            for r in range(m):
                f = a + r * width
                t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0  # four sums: one would wait for every addition
                for j in range(0, width, 4):
                    t0 += coefs[f + j] * d[first + j]
                    t1 += coefs[f + j + 1] * d[first + j + 1]
                    t2 += coefs[f + j + 2] * d[first + j + 2]
                    t3 += coefs[f + j + 3] * d[first + j + 3]
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
    """D += Aᵀ y of all sites."""
    width = 4 * n
    for c in range(len(sites)):
        kind, first, joint, a, o, m = sites[c, 0], sites[c, 1] * n, sites[c, 2], sites[c, 3], sites[c, 4], sites[c, 5]
        if kind == DENSE:
            for r in range(m):
                t = y[o + r]
                for j in range(width):
                    d[first + j] += coefs[a + r * width + j] * t
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
    """out = G v."""
    for r in range(len(at) - 1):
        total = 0.0
        for e in range(at[r], at[r + 1]):
            total += value[e] * v[column[e]]
        out[r] = total


@compiled
def _transposed(at, column, value, z, out):  # type: ignore[no-untyped-def]
    """out = Gᵀ z."""
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
    """out = W x for way = 1, W⁻¹ x for way = −1.

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
def _factor(sites, quads, coefs, n, blocks, at, place, value, eta, bar, band, corner, h, border, local, ratio):  # type: ignore[no-untyped-def]
    """Assemble and factorise the condensed system.  Returns False where it is not positive definite.

    Args:
        sites: (C, 12) integers of every site, see `interior_point`.
        quads: (Q, 4) sites of one dense quantity in the same span; the last one repeated where there are fewer than four.
        coefs: Coefficients of all A.
        n: Number of joints.
        blocks: (B, 2) first row and number of rows of every cone.
        at: (R + 1,) first entry of every row of G.
        place: (E,) column of every entry within its site's (y, u, l).
        value: (E,) entries of G.
        eta: (B,) scales of the cones.
        bar: (R,) w̄ of the cones.
        band: (N, 4 n) upper band of P.
        corner: (nu,) diagonal of P for the border.
        h: (N, 4 n) Cholesky factor, to be set.
        border: (N, 2 nu) coupling of D and u, and H⁻¹ times it, to be set.
        local: factors of the sites' own variables, to be set.
        ratio: M_ll⁻¹ M_l,(y, u) of all sites, to be set.

    Returns:
        Whether it succeeded, and the Schur complement (nu, nu) of the border.
    """
    nu, width = len(corner), 4 * n
    h[:] = band
    border[:] = 0.0
    schur = np.zeros((nu, nu))
    for i in range(nu):
        schur[i, i] = corner[i] + REGULARISATION
    most, tall = 0, 1
    for c in range(len(sites)):
        most = max(most, sites[c, 5] + nu + sites[c, 7])
    for b in range(len(blocks)):
        tall = max(tall, blocks[b, 1])
    m_all, g, t = np.zeros((most, most)), np.zeros((tall, most)), np.zeros((most + 1, width))
    weight = np.zeros(len(sites) + 1)
    for c in range(len(sites)):
        kind, first, joint, a = sites[c, 0], sites[c, 1] * n, sites[c, 2], sites[c, 3]
        m, nl, first_block, last_block, l_at, k_at = sites[c, 5], sites[c, 7], sites[c, 8], sites[c, 9], sites[c, 10], sites[c, 11]
        if first_block == last_block and nl == 0:
            continue
        kept = m + nu
        size = kept + nl
        if m == 1 and nl == 0:  # most sites are of one quantity with two rows
            yy, yu0, yu1, u00, u01, u11 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for b in range(first_block, last_block):
                gy, g0, g1 = 0.0, 0.0, 0.0
                for e in range(at[blocks[b, 0]], at[blocks[b, 0] + 1]):
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
            weight[c] = yy
            if kind == DENSE:
                for i in range(width):
                    border[first + i, 0] += coefs[a + i] * yu0
                if nu == 2:
                    for i in range(width):
                        border[first + i, 1] += coefs[a + i] * yu1
            else:
                for p in range(4):
                    x = coefs[a + p]
                    if x != 0.0:
                        i = first + p * n + joint
                        for q in range(p, 4):
                            h[i, (q - p) * n] += x * coefs[a + q] * yy
                        border[i, 0] += x * yu0
                        if nu == 2:
                            border[i, 1] += x * yu1
            continue
        m_all[:size, :size] = 0.0
        for b in range(first_block, last_block):
            f, k = blocks[b, 0], blocks[b, 1]
            if k == 1:
                w = 1.0 / (eta[b] * eta[b])
                for e in range(at[f], at[f + 1]):
                    i, x = place[e], w * value[e]
                    for o in range(at[f], at[f + 1]):
                        m_all[i, place[o]] += x * value[o]
                continue
            g[:k, :size] = 0.0
            for r in range(k):
                for e in range(at[f + r], at[f + r + 1]):
                    g[r, place[e]] += value[e]
            scale = 1.0 / eta[b]
            for j in range(size):  # W⁻¹ G, column by column
                head, dot, some = g[0, j], 0.0, g[0, j] != 0.0
                for r in range(1, k):
                    dot += bar[f + r] * g[r, j]
                    some = some or g[r, j] != 0.0
                if not some:
                    continue
                along = -head + dot / (1.0 + bar[f])
                g[0, j] = scale * (bar[f] * head - dot)
                for r in range(1, k):
                    g[r, j] = scale * (g[r, j] + along * bar[f + r])
            for r in range(k):
                for i in range(size):
                    x = g[r, i]
                    if x != 0.0:
                        for j in range(size):
                            m_all[i, j] += x * g[r, j]
        # eliminate l: Cholesky of M_ll, M_ll⁻¹ M_l,(y, u), Schur complement
        for i in range(nl):
            for j in range(i + 1):
                x = m_all[kept + i, kept + j]
                for o in range(j):
                    x -= local[l_at + i * nl + o] * local[l_at + j * nl + o]
                if i == j:
                    x += REGULARISATION
                    if not x > 0.0:
                        return False, schur
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
        for i in range(nu):
            for j in range(nu):
                schur[i, j] += m_all[m + i, m + j]
        if kind == DENSE:
            t[: m + 1] = 0.0
            for r in range(m):
                for q in range(m):
                    x = m_all[r, q]
                    for j in range(width):
                        t[r, j] += x * coefs[a + q * width + j]
                for u in range(nu):
                    x = m_all[r, m + u]
                    for j in range(width):
                        border[first + j, u] += x * coefs[a + r * width + j]
            for r in range(0, m, 2):
                one, other = a + r * width, a + min(r + 1, m - 1) * width
                for i in range(width):
                    x, z = coefs[one + i], coefs[other + i]
                    for j in range(width - i):
                        h[first + i, j] += x * t[r, i + j] + z * t[r + 1, i + j]
        else:
            for p in range(4):
                x = coefs[a + p]
                if x == 0.0:
                    continue
                for i in range(n):
                    for j in range(i, n):
                        h[first + p * n + i, j - i] += x * x * m_all[i, j]
                    for u in range(nu):
                        border[first + p * n + i, u] += x * m_all[i, m + u]
                for q in range(p + 1, 4):
                    w = x * coefs[a + q]
                    if w == 0.0:
                        continue
                    gap = (q - p) * n
                    for i in range(n):
                        for j in range(n):
                            h[first + p * n + i, gap + j - i] += w * m_all[i, j]
    for q in range(len(quads)):  # sites of one dense quantity, four at a time
        c0, c1, c2, c3 = quads[q, 0], quads[q, 1], quads[q, 2], quads[q, 3]
        a0, a1, a2, a3 = sites[c0, 3], sites[c1, 3], sites[c2, 3], sites[c3, 3]
        w0, w1, w2, w3 = weight[c0], weight[c1], weight[c2], weight[c3]
        if c1 == c0:
            w1 = 0.0
        if c2 == c1:
            w2 = 0.0
        if c3 == c2:
            w3 = 0.0
        first = sites[c0, 1] * n
        for i in range(width):
            x0, x1, x2, x3 = w0 * coefs[a0 + i], w1 * coefs[a1 + i], w2 * coefs[a2 + i], w3 * coefs[a3 + i]
            for j in range(width - i):
                h[first + i, j] += (x0 * coefs[a0 + i + j] + x1 * coefs[a1 + i + j]) + (
                    x2 * coefs[a2 + i + j] + x3 * coefs[a3 + i + j]
                )
    if not _cholesky(h):
        return False, schur
    for u in range(nu):
        border[:, nu + u] = border[:, u]
        _back(h, border[:, nu + u])
    for i in range(nu):
        for j in range(nu):
            total = 0.0
            for k in range(len(border)):
                total += border[k, i] * border[k, nu + j]
            schur[i, j] -= total
    return True, schur


@compiled
def _cholesky(h):  # type: ignore[no-untyped-def]
    """Cholesky factor Rᵀ R of a banded matrix in its upper band (N, w), in place.  Returns False if it is not positive definite."""
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
def _solve(sites, coefs, n, h, border, schur, local, ratio, d, v, y):  # type: ignore[no-untyped-def]
    """Solve the factorised system for one right-hand side (d; u, l of v), in place; y of v becomes A d.

    Args:
        sites: (C, 11) integers of every site.
        coefs: Coefficients of all A.
        n: Number of joints.
        h: Cholesky factor of the band.
        border: Coupling of D and u, and H⁻¹ times it.
        schur: (nu, nu) Schur complement of the border.
        local: Factors of the sites' own variables.
        ratio: M_ll⁻¹ M_l,(y, u) of all sites.
        d: (N,) right-hand side and solution for D.
        v: (ny + nu + nl,) right-hand side and solution for u and l, in their places.
        y: (ny,) work space.
    """
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
            v[ny + u] -= border[k, u] * d[k]
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
            d[k] -= border[k, nu + u] * x
    _lift(sites, coefs, n, d, y)
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
    v[:ny] = y


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
    """t = λ \\ (σμ e − λ∘λ − (W⁻¹ ds_a)∘(W dz_a)): where the complementarity is led to.

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
    """out = P x of a symmetric matrix in its upper band."""
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
def interior_point(sites, quads, coefs, n, blocks, at, column, place, value, h0, band, corner, cost, linear, sizes, tolerance):  # type: ignore[no-untyped-def]
    """Solve a banded program.

    Args:
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
        h0: (R,) h.
        band: (N, 4 n) upper band of P over D.
        corner: (nu,) its diagonal for u.
        cost: (N,) c of D.
        linear: (ny + nu + nl,) c of u and l.
        sizes: (2,) numbers of entries of all factors, and of all ratios.
        tolerance: Absolute and relative tolerance of residuals and gap.

    Returns:
        D (N,), v (ny + nu + nl,), the number of iterations, and whether it converged.
    """
    size, rows, nu = len(cost), len(h0), len(corner)
    ny = 0
    for c in range(len(sites)):
        ny += sites[c, 5]
    d, v, s, z = np.zeros(size), np.zeros(len(linear)), np.zeros(rows), np.zeros(rows)
    h, border = np.zeros(band.shape), np.zeros((size, 2 * nu))
    local, ratio, y = np.zeros(sizes[0]), np.zeros(sizes[1]), np.zeros(ny)
    eta, bar, lam = np.ones(len(blocks)), np.zeros(rows), np.zeros(rows)
    product, gd, gv = np.zeros(size), np.zeros(size), np.zeros(len(linear))
    rz, t, q, work, work2 = np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows)
    ds, dz, dd, dv = np.zeros(rows), np.zeros(rows), np.zeros(size), np.zeros(len(linear))
    degree = float(len(blocks))
    _begin(blocks, h0, s, z)
    top, side = 1.0, 1.0
    for r in range(rows):
        top = max(top, abs(h0[r]))
    for k in range(size):
        side = max(side, abs(cost[k]))
    for k in range(ny, len(linear)):
        side = max(side, abs(linear[k]))
    for iteration in range(MAX_ITERATIONS):
        # residuals
        _banded_product(band, d, product)
        _transposed(at, column, value, z, gv)
        y[:] = gv[:ny]
        gd[:] = product + cost
        _spread(sites, coefs, n, y, gd)
        objective = 0.0
        for k in range(size):
            objective += d[k] * (product[k] / 2 + cost[k])
        for u in range(nu):
            x = v[ny + u]
            gv[ny + u] += corner[u] * x
            objective += x * x * corner[u] / 2
        for k in range(ny, len(linear)):
            gv[k] += linear[k]
            objective += linear[k] * v[k]
        _times(at, column, value, v, rz)
        worst, gap, dual = 0.0, 0.0, 0.0
        for r in range(rows):
            rz[r] += s[r] - h0[r]
            worst = max(worst, abs(rz[r]))
            gap += s[r] * z[r]
        for k in range(size):
            dual = max(dual, abs(gd[k]))
        for k in range(ny, len(linear)):
            dual = max(dual, abs(gv[k]))
        if not np.isfinite(gap + worst + dual):
            return d, v, iteration, False
        if worst <= tolerance * top and dual <= tolerance * side and gap <= tolerance * max(1.0, abs(objective)):
            return d, v, iteration, True
        mu = gap / degree
        if not _scale(blocks, s, z, eta, bar, lam):
            return d, v, iteration, False
        fine, schur = _factor(sites, quads, coefs, n, blocks, at, place, value, eta, bar, band, corner, h, border, local, ratio)
        if not fine:
            return d, v, iteration, False
        sigma, alpha = 0.0, 1.0
        for r in range(rows):
            t[r] = -lam[r]
        for corrected in range(2):
            # dx from the condensed system, then dz = W⁻² (G dx − q) and ds, with q = bz − W t
            keep = 1.0 - sigma
            _scaled(blocks, eta, bar, t, q, 1.0)
            for r in range(rows):
                q[r] = -keep * rz[r] - q[r]
            _scaled(blocks, eta, bar, q, work, -1.0)
            _scaled(blocks, eta, bar, work, work2, -1.0)
            _transposed(at, column, value, work2, dv)
            y[:] = dv[:ny]
            dd[:] = -keep * gd
            _spread(sites, coefs, n, y, dd)
            for k in range(ny, len(linear)):
                dv[k] -= keep * gv[k]
            _solve(sites, coefs, n, h, border, schur, local, ratio, dd, dv, y)
            _times(at, column, value, dv, ds)
            for r in range(rows):
                work[r] = ds[r] - q[r]
                ds[r] = -keep * rz[r] - ds[r]
            _scaled(blocks, eta, bar, work, work2, -1.0)
            _scaled(blocks, eta, bar, work2, dz, -1.0)
            alpha = min(1.0, BACKOFF * min(_longest(blocks, s, ds), _longest(blocks, z, dz)))
            if corrected == 0:
                after = 0.0
                for r in range(rows):
                    after += (s[r] + alpha * ds[r]) * (z[r] + alpha * dz[r])
                sigma = min(1.0, max(0.0, after / gap)) ** 3
                _scaled(blocks, eta, bar, ds, work, -1.0)
                _scaled(blocks, eta, bar, dz, work2, 1.0)
                _directed(blocks, eta, bar, lam, work, work2, sigma * mu, q, t)
        d += alpha * dd
        v += alpha * dv
        s += alpha * ds
        z += alpha * dz
        if alpha < 1e-8:
            return d, v, iteration, False
    return d, v, MAX_ITERATIONS, False


@compiled
def _begin(blocks, h0, s, z):  # type: ignore[no-untyped-def]
    """Where it begins: no change, slacks led into the cones by at least `FIRST_SLACK`, multipliers on the central path for `FIRST_MU`.

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
