"""axe-core in the page that is open: what shuts readers out, state by state."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

from tests.summary import SUMMARY

_SOURCE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_RUN = """
async (rules) => {
  const only = rules && { type: 'rule', values: rules };
  const { violations } = await axe.run(document, { resultTypes: ['violations'], ...(only && { runOnly: only }) });
  return violations.map(({ id, impact, nodes }) => ({
    id,
    impact,
    nodes: nodes.slice(0, 5).map(({ html, failureSummary: why }) => `${html.slice(0, 160)} ${why.slice(0, 300)}`),
  }));
}
"""
_THEME = """(dark) => {
  document.body.classList.toggle('dark', dark);
  document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
}"""
_COLOURS = ["color-contrast", "link-in-text-block"]  # what can differ between light and dark
IMPACTS = ("critical", "serious", "moderate", "minor")


class Axe:
    """Looks at a page in each state; `found` are the violations, `failed` those that must not be."""

    def __init__(self) -> None:
        self.found: dict[str, Counter[str]] = {}
        self.failed: list[str] = []

    def look(self, page: Page, state: str, *, phone: bool = False) -> None:
        """Look in light and dark; with `phone`, also as narrow as one, where the layout is another."""
        page.emulate_media(reduced_motion="reduce")  # colours on their way from light to dark are neither
        page.wait_for_function(
            "!document.querySelector('#fn-side[aria-busy]')"
        )  # pale until what was asked for is there
        self._look(page, state)
        if phone:
            wide = page.viewport_size
            assert wide
            page.set_viewport_size({"width": 390, "height": 844})
            self._look(page, f"{state}, 390 wide")
            page.set_viewport_size(wide)

    def tell(self) -> None:
        """Put the table of all states into the summary of the tests."""
        SUMMARY.add(axe_states=len(self.found))
        SUMMARY.lines.append(f"axe-core, violations by state ({', '.join(IMPACTS)}), light and dark:")
        SUMMARY.lines += [f"  {state}: {' '.join(str(n[i]) for i in IMPACTS)}" for state, n in self.found.items()]

    def _look(self, page: Page, state: str) -> None:
        dark = page.evaluate("document.body.classList.contains('dark')")
        seen = self._run(page, None)
        page.evaluate(_THEME, not dark)
        seen += self._run(page, _COLOURS)
        page.evaluate(_THEME, dark)
        count = self.found[state] = Counter()
        for violation in seen:
            count[violation["impact"]] += 1
            if violation["impact"] in ("critical", "serious"):
                self.failed.append(f"{state}: {violation['id']}\n  " + "\n  ".join(violation["nodes"]))

    def _run(self, page: Page, rules: list[str] | None) -> list[dict[str, Any]]:
        if page.evaluate("typeof axe") == "undefined":
            page.evaluate(_SOURCE)
        violations: list[dict[str, Any]] = page.evaluate(_RUN, rules)
        return violations
