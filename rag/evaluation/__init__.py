"""Owns measuring: a data set is asked, question by question, and its answers are compared with what is known."""
