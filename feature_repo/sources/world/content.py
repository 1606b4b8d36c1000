"""Creators, companies, posts and jobs: what notifications are about."""

from dataclasses import dataclass

import numpy as np

from feature_repo.sources.world.draw import DAY, Floats, Ints, unit
from feature_repo.sources.world.members import INDUSTRIES, SENIORITIES, industry_taste

FORMATS = ("text", "article", "image", "video")
COMPANY_SIZES = ("small", "medium", "large")
TOPICS = 6


@dataclass(frozen=True)
class Content:
    """One entry per creator, company, post or job. Posts and jobs are sorted by creation time."""

    creator_industry: Ints
    creator_direction: Floats  # (creators, dimensions)
    creator_reach: Floats  # relative
    company_industry: Ints
    company_size: Ints
    company_direction: Floats
    post_creator: Ints
    post_created: Ints
    post_direction: Floats  # (posts, dimensions)
    post_format: Ints
    post_quality: Floats
    job_company: Ints
    job_created: Ints
    job_direction: Floats
    job_seniority: Ints
    job_quality: Floats


def make_topics(rng: np.random.Generator, dimensions: int) -> Floats:
    """Nearly orthogonal topic directions: (TOPICS, dimensions)."""
    square, _ = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))
    return unit(square[:TOPICS] + 0.1 * rng.standard_normal((TOPICS, dimensions)))


def make_content(
    rng: np.random.Generator, topics: Floats, creators: int, companies: int, posts: int, jobs: int, days: int
) -> Content:
    """Draw all content."""
    creator_industry = rng.choice(len(INDUSTRIES), creators)
    creator_direction = _around(rng, topics, creator_industry, 0.3)
    creator_reach = rng.lognormal(0.0, 0.7, creators)
    creator_quality = rng.standard_normal(creators)
    post_creator = rng.choice(creators, posts, p=creator_reach / creator_reach.sum())
    own = _around(rng, topics, creator_industry[post_creator], 0.35)
    company_industry = rng.choice(len(INDUSTRIES), companies)
    company_direction = _around(rng, topics, company_industry, 0.3)
    job_company = rng.choice(companies, jobs)
    return Content(
        creator_industry=creator_industry,
        creator_direction=creator_direction,
        creator_reach=creator_reach,
        company_industry=company_industry,
        company_size=rng.choice(len(COMPANY_SIZES), companies, p=(0.5, 0.3, 0.2)),
        company_direction=company_direction,
        post_creator=post_creator,
        post_created=np.sort(rng.integers(-4 * DAY, days * DAY, posts)),
        post_direction=unit(0.6 * creator_direction[post_creator] + own),
        post_format=rng.choice(len(FORMATS), posts, p=(0.45, 0.2, 0.2, 0.15)),
        post_quality=0.6 * creator_quality[post_creator] + 0.8 * rng.standard_normal(posts),
        job_company=job_company,
        job_created=np.sort(rng.integers(-20 * DAY, days * DAY, jobs)),
        job_direction=unit(
            0.8 * company_direction[job_company] + _around(rng, topics, company_industry[job_company], 0.35)
        ),
        job_seniority=rng.choice(len(SENIORITIES), jobs, p=(0.08, 0.22, 0.26, 0.26, 0.13, 0.05)),
        job_quality=rng.standard_normal(jobs),
    )


def _around(rng: np.random.Generator, topics: Floats, industry: Ints, noise: float) -> Floats:
    """Directions near one topic each, drawn by the taste of the industry.  (n,) -> (n, dimensions)"""
    taste = np.cumsum(industry_taste(topics), axis=1)
    taste /= taste[:, -1:]
    topic = (rng.random((len(industry), 1)) > taste[industry]).sum(axis=1)
    offset = rng.standard_normal((len(industry), topics.shape[1])) / np.sqrt(topics.shape[1])
    return unit(topics[topic] + noise * offset)
