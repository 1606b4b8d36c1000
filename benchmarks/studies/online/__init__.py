"""The study of online arms: several versions of a product serve a simulated network whose members answer.

A world's sessions have the same candidates whatever was shown in other sessions. So every arm chooses for every
session, and the true click probabilities of the choices are compared pair by pair. The members are split over the arms:
a member is shown what their arm chooses, and what they do is what all arms learn from, as in an A/B test.
"""
