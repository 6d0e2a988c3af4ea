// The card at a footnote or a verdict that is pointed at or has the focus: the whole quote, or the reason.
const CHIPS = 'a.cite, a.fn-also';
const TRIGGERS = `${CHIPS}, .fn-verdict[data-note]`;
const OPEN_MS = 120; // so that a pointer on its way elsewhere opens nothing
const CLOSE_MS = 220; // so that a pointer can move onto the card
const GAP = 6;
let card;
let trigger = null;
let timer;

function fill(target) {
  card.replaceChildren();
  if (target.matches(CHIPS)) {
    const note = document.getElementById(target.getAttribute('href').replace('#cite-', 'note-'));
    if (!note) return false;
    card.append(...[...note.childNodes].map((node) => node.cloneNode(true)));
  } else {
    const verdict = document.createElement('strong');
    const label = target.getAttribute('aria-label') || '';
    const { note } = target.dataset;
    verdict.textContent = label.endsWith(`: ${note}`) ? label.slice(0, -note.length - 2) : label;
    const reason = document.createElement('span');
    reason.textContent = note;
    card.append(verdict, reason);
  }
  card.dataset.kind = target.matches(CHIPS) ? 'quote' : target.classList[1] || 'verdict';
  return true;
}

/** Below what it belongs to, or above where there is more room, and never outside the window. */
function place() {
  const at = trigger.getClientRects()[0];
  if (!at) return;
  card.style.maxHeight = '';
  const { width, height } = card.getBoundingClientRect();
  const below = window.innerHeight - at.bottom - GAP;
  const above = at.top - GAP;
  const under = height <= below - GAP || below >= above;
  const room = Math.max(80, (under ? below : above) - GAP);
  const tall = Math.min(height, room);
  card.style.maxHeight = `${room}px`;
  card.style.left = `${Math.max(GAP, Math.min(at.left - 12, window.innerWidth - width - GAP))}px`;
  card.style.top = `${under ? at.bottom + GAP : at.top - GAP - tall}px`;
}

export function hide() {
  clearTimeout(timer);
  if (!trigger) return;
  trigger.removeAttribute('aria-describedby');
  trigger = null;
  card.hidden = true;
}

function show(target) {
  clearTimeout(timer);
  if (target === trigger) return;
  hide();
  if (!fill(target)) return;
  trigger = target;
  trigger.setAttribute('aria-describedby', card.id);
  card.hidden = false;
  card.scrollTop = 0;
  place();
}

function later(act, after) {
  clearTimeout(timer);
  timer = setTimeout(act, after);
}

const triggerAt = (event) => event.target.closest && event.target.closest(TRIGGERS);

export function init() {
  card = document.createElement('div');
  card.id = 'fn-card';
  card.setAttribute('role', 'tooltip');
  card.hidden = true;
  document.body.append(card);

  document.addEventListener('pointerover', (event) => {
    if (event.pointerType === 'touch') return;
    const target = triggerAt(event);
    if (target) later(() => show(target), trigger ? 0 : OPEN_MS);
    else if (card.contains(event.target)) clearTimeout(timer);
    else if (trigger ? document.activeElement !== trigger : true) later(hide, CLOSE_MS);
  });
  document.addEventListener('focusin', (event) => {
    const target = triggerAt(event);
    if (target && target.matches(':focus-visible')) show(target);
    else if (!target) hide();
  });
  document.addEventListener('focusout', (event) => {
    if (event.target === trigger) later(hide, CLOSE_MS);
  });
  document.addEventListener('click', (event) => {
    const target = triggerAt(event);
    if (target && target.matches('.fn-verdict')) show(target);
    else if (!card.contains(event.target)) hide();
  });
  // First of all that listen: the key closes the card, and nothing else with it.
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !trigger) return;
    event.stopPropagation();
    hide();
  }, true);
  document.addEventListener('scroll', (event) => {
    if (trigger && !card.contains(event.target)) hide();
  }, true);
  window.addEventListener('resize', hide);
}
