"""Names that a source lacks and that are none, or that stand there in full."""

from __future__ import annotations

import pytest

from rag.guards.naming import accounted_for


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("EU", "The European Union agreed."),
        ("U.S", "The United States agreed."),
        ("YoY", "It rose 5% year over year."),
        ("CBT", "It is called cognitive behavioural therapy."),
        ("Q3", "In the fourth quarter sales fell."),  # other rules compare quarters
        ("COVID-19", "The impact of COVID is uncertain."),
    ],
)
def test_short_forms_stand_for_words_of_the_source(name: str, source: str) -> None:
    assert accounted_for(name, f"They say that {name} matters.", source)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("UK", "The European Union agreed."),
        ("EU", "It is easy to use every unit."),  # two letters stand for names only
        ("NATO", "The Northern Alliance agreed."),
        ("Karlsen", "Karl and Senta agreed."),
        ("GPT-5", "They used GPT-4."),
        ("COVID-20", "They spoke of COVID-19."),
        ("HPV-16", "They spoke of a virus."),
    ],
)
def test_other_names_are_lacking(name: str, source: str) -> None:
    assert not accounted_for(name, f"They say that {name} matters.", source)


@pytest.mark.parametrize(
    ("claim", "opens"),
    [
        ("Company's Q2 sales rose.", True),
        ("Using TiO2, they built it.", True),
        ("“Company's EBITDA rose.", True),
        ("Company.", True),
        ("Nils Karlsen built it.", False),
        ("They say Company's Q2 sales rose.", False),
        ("OpenAI GPT rose.", False),
    ],
)
def test_a_word_that_opens_a_claim_is_a_name_only_where_another_follows(claim: str, opens: bool) -> None:
    name = next(word for word in ("Company's", "Company", "Using", "Nils", "OpenAI") if word in claim)
    assert accounted_for(name, claim, "Something else.") is opens
