"""Faults injected into served days: does the monitor find each one, name its cause and choose the right action?"""
