"""Study (h): an article log, whose items live for hours. ``python -m benchmarks.studies.articles``.

``world`` simulates a news site and writes its log, as a company has it: readers, articles, clicks. ``adapter`` and
``articles.yaml`` are what a team writes to rank it; ``prepare`` runs the product's own steps to the graph, ``rows``
says what is compared, ``page`` writes the results.
"""
