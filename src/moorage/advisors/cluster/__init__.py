"""Continuous advice: what user clusters are seen to do, held against what they grant, time and again."""
