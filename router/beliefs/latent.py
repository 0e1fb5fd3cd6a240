"""The latent difficulty behind success, and the quadrature over it.

For an arm m and a step, logit p = mu[m] + sigma * z + tau * u[model of m]: z is the step's difficulty, shared by all
models; u is kept by one model over its retries (the Rasch, or item-response, model).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def _normal_nodes(count: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes and weights for the expectation over a standard normal variable."""
    nodes, weights = hermegauss(count)
    return nodes, weights / weights.sum()


Z, Z_WEIGHT = _normal_nodes(15)
"""Nodes of the difficulty that all models share."""
U, U_WEIGHT = _normal_nodes(7)
"""Nodes of what one model keeps over its retries."""
LIMIT = 35.0
"""Logits beyond this are certainty; keeps products of many failures above the smallest double."""
LOWEST_MU, HIGHEST_MU = -60.0, 60.0


def logistic(x: Array) -> Array:
    """1 / (1 + e^-x), x clipped to +-LIMIT."""
    out: Array = 1.0 / (1.0 + np.exp(np.minimum(np.maximum(-x, -LIMIT), LIMIT)))
    return out


@lru_cache(maxsize=512)
def spread(sigma: float, tau: float) -> Array:
    """sigma * z + tau * u at every pair of nodes, shape (15, 7), not to be written to."""
    out: Array = sigma * Z[:, None] + tau * U[None, :]
    out.flags.writeable = False
    return out


@lru_cache(maxsize=64)
def identity(size: int) -> Array:
    """The identity matrix, not to be written to."""
    out = np.eye(size)
    out.flags.writeable = False
    return out


def marginal(mu: float, sigma: float, tau: float) -> float:
    """P(success) of one attempt, difficulty unknown: E[logistic(mu + sigma z + tau u)]."""
    return moments(mu + spread(sigma, tau))[0]


@lru_cache(maxsize=1024)
def solve(p: float, sigma: float, tau: float) -> float:
    """The mu whose marginal is `p`, by Newton's method, halving the bracket where a step would leave it."""
    low, high = LOWEST_MU, HIGHEST_MU
    noise, mu, gap = spread(sigma, tau), math.log(p / (1.0 - p)), 1.0
    while abs(gap) > 1e-13 and high - low > 1e-12:
        value, slope = moments(mu + noise)
        gap = value - p
        low, high = (mu, high) if gap < 0 else (low, mu)
        step = mu - gap / slope
        mu = step if low <= step <= high else (low + high) / 2
    return mu


def moments(x: Array) -> tuple[float, float]:
    """E[logistic(x)] over the nodes, and its derivative by mu, E[p (1 - p)]."""
    p = logistic(x)
    return float(Z_WEIGHT @ p @ U_WEIGHT), float(Z_WEIGHT @ (p * (1.0 - p)) @ U_WEIGHT)
