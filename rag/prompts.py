"""Owns the words we put in front of models and readers."""

NOT_FOUND = "The articles do not answer this question."
