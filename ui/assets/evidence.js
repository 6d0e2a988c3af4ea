// The evidence: a footnote or passage opened beside the conversation, what else was found, and where words come from.
import * as card from './card.js';
import * as origin from './origin.js';

let footnote;
let side;
let slot;
let announcer;
let empty = '';
let opener = null; // what opened the pane, and gets the focus back
let current = ''; // the link that is shown
let key = ''; // of the answer that the pane is about
let asking = 0;
let shared = null; // what the address leads to, until it is opened
const LINK = /^#(cite|evidence|sources|article)-/;
const SHARED = /^[0-9a-f]{16}$/;

const conversation = () => footnote.current();
const chipsOf = (href) => document.querySelectorAll(`#fn-scroll a.cite[href="${href}"]`);

/** Open what a link leads to; with `quiet`, without taking the focus or the screen. */
export async function open(link, { quiet = false, view = null, page = null, focus = null } = {}) {
  const mine = ++asking;
  side.setAttribute('aria-busy', 'true');
  const found = await footnote.act('evidence', { link, conversation: conversation(), view, page }, { quiet });
  if (mine !== asking) return false;
  side.removeAttribute('aria-busy');
  if (!found) return false;
  show(found.side, link, { quiet, focus });
  return true;
}

function show(html, link, { quiet = false, focus = null } = {}) {
  card.hide();
  slot.innerHTML = html;
  current = link;
  const panel = slot.firstElementChild;
  key = panel.dataset.key || key;
  const why = panel.querySelector('[data-evidence="why"]');
  if (why && !panel.dataset.key && key) {
    why.hidden = false;
    leadBack(panel);
  }
  document.querySelectorAll('a.cite.active').forEach((chip) => chip.classList.remove('active'));
  chipsOf(link).forEach((chip) => chip.classList.add('active'));
  if (!quiet) {
    footnote.pane('side');
    const wanted = (focus && panel.querySelector(focus)) || panel.querySelector('h2');
    wanted?.focus({ preventScroll: true });
    announce(panel);
  }
  scrollToMark(panel);
  scrollToChip(link);
}

/** An article that no answer led to, opened beside one: its sources are one step away. */
function leadBack(panel) {
  const back = document.createElement('a');
  back.className = 'fn-back';
  back.href = `#sources-${key}`;
  back.textContent = 'Sources';
  panel.querySelector('.fn-label').before(back);
}

function announce(panel) {
  const label = panel.querySelector('.fn-label');
  announcer.textContent = [label, panel.querySelector('h2')].filter(Boolean).map((part) => part.textContent).join(', ');
}

function scrollToMark(panel) {
  const mark = panel.querySelector('mark.current');
  side.scrollTop = 0;
  if (!mark) return;
  const head = panel.querySelector('.fn-head');
  const covered = head && getComputedStyle(head).position === 'sticky' ? head.offsetHeight : 0;
  const place = mark.getBoundingClientRect();
  const room = side.clientHeight - covered;
  const above = Math.max(24, (room - place.height) / 3);
  side.scrollTop += place.top - side.getBoundingClientRect().top - covered - above;
}

/** Bring the chip of what is shown into view in the conversation, where it is out of it. */
function scrollToChip(link) {
  const chip = chipsOf(link)[0];
  const scroll = document.getElementById('fn-scroll');
  if (!chip || !chip.offsetParent) return;
  const place = chip.getBoundingClientRect();
  const frame = scroll.getBoundingClientRect();
  if (place.top >= frame.top && place.bottom <= frame.bottom) return;
  scroll.scrollTop += place.top - frame.top - frame.height / 3;
}

/** Go back to what opened the pane, or to the chip of what it shows now. */
function leave() {
  ++asking; // what is still on its way would take the focus back
  side.removeAttribute('aria-busy');
  card.hide();
  footnote.pane('chat');
  const chip = chipsOf(current)[0];
  const back = [chip, opener].find((place) => place && document.contains(place) && place.offsetParent);
  (back || document.querySelector('#fn-ask textarea')).focus();
  scrollToChip(current);
}

function step(direction) {
  const link = slot.querySelector(`a.fn-step[rel="${direction}"]`);
  if (link) open(link.getAttribute('href'));
  else if (!slot.querySelector('.fn-article')) {
    const first = slot.querySelector('a.fn-quote');
    if (first && direction === 'next') open(first.getAttribute('href'));
  }
}

/* copying */

async function copy(button) {
  const { kind, text, said } = button.dataset;
  if (await footnote.clip(kind === 'link' ? location.origin + text : text)) footnote.say(said);
}

/* why not */

async function why(article, place, offset = null) {
  place.textContent = 'Looking …';
  const found = await footnote.act('why', { conversation: conversation(), key, article, offset });
  if (!found) place.textContent = '';
  else place.innerHTML = found.answer;
}

let typing;
async function listOthers() {
  const fold = slot.querySelector('.fn-why');
  if (!fold) return;
  const search = fold.querySelector('input').value;
  const found = await footnote.act('why', { conversation: conversation(), key, search }, { quiet: true });
  if (found && document.contains(fold) && fold.querySelector('input').value === search) {
    fold.querySelector('.fn-why-list').innerHTML = found.list;
  }
}

/* where selected words come from */

async function find(words, answerKey) {
  const found = await footnote.act('origin', { conversation: conversation(), key: answerKey, words });
  if (!found) return;
  opener = document.querySelector(`#fn-scroll .fn-reply[data-key="${answerKey}"] .fn-sources`);
  show(found.side, found.link);
}

/* pages of PDFs */

async function pictureFailed(picture) {
  let reason = 'The picture of this page cannot be shown.';
  try {
    const answer = await fetch(picture.src);
    if (!answer.ok && answer.headers.get('content-type')?.startsWith('text/plain')) reason = await answer.text();
  } catch {
    // Then the server is gone, which the text view says if it matters.
  }
  const told = [...slot.querySelectorAll('.fn-panel > .fn-warning')];
  if (!(await open(current, { view: 'text', quiet: true }))) return;
  const warning = document.createElement('p');
  warning.className = 'fn-warning';
  warning.setAttribute('role', 'status');
  warning.textContent = `${reason} The text is shown instead.`;
  slot.querySelector('.fn-head')?.after(warning, ...told);
}

const DEEDS = {
  chat: leave,
  copy,
  view: (button) => open(current, { view: button.dataset.view, focus: `[data-view="${button.dataset.view}"]` }),
  why: (button) => {
    const panel = button.closest('.fn-panel');
    const start = panel.dataset.start ? Number(panel.dataset.start) : null;
    why(panel.dataset.article, panel.querySelector('.fn-why-answer'), start);
  },
  'why-of': (button) => why(button.dataset.article, slot.querySelector('.fn-why .fn-why-answer')),
};

/** Return what an address like `/?article=…&from=…&to=…&hash=…` leads to, as a link of the page; null where to nothing. */
function sharedLink() {
  const query = new URLSearchParams(location.search);
  const article = query.get('article');
  if (!article) return null;
  const [from, to, hash] = ['from', 'to', 'hash'].map((name) => query.get(name) || '');
  const whole = SHARED.test(article) && /^\d{1,9}$/.test(from) && /^\d{1,9}$/.test(to) && /^[0-9a-f]{8}$/.test(hash);
  if (whole) return `#article-${article}-${from}-${to}-${hash}`;
  return SHARED.test(article) && !from && !to && !hash ? `#article-${article}` : '';
}

async function openShared() {
  const { link, address } = shared;
  shared = null;
  if (!link) {
    footnote.say('This link is not whole: it was cut or changed on the way. Ask for it again.', { bad: true });
    return;
  }
  if (await open(link)) window.history.replaceState(null, '', address);
}

/** A conversation was opened: what the pane showed was of another. */
function opened() {
  key = '';
  current = '';
  opener = null;
  ++asking;
  slot.innerHTML = empty;
  const last = [...document.querySelectorAll('#fn-history a.fn-sources')].pop();
  const asked = LINK.test(location.hash) ? location.hash : '';
  if (shared) openShared();
  else if (asked) open(asked);
  else if (last) open(last.getAttribute('href'), { quiet: true });
}

function pressed(event) {
  if (event.key === 'Escape' && side.contains(document.activeElement)) {
    leave();
    return;
  }
  const direction = { '[': 'prev', ']': 'next' }[event.key];
  if (!direction || event.metaKey || (event.ctrlKey && !event.altKey)) return;
  const at = event.target;
  if (at.closest('input, textarea, select, [contenteditable]') || !at.closest('#fn-side, #fn-scroll')) return;
  event.preventDefault();
  step(direction);
}

export function init(given) {
  footnote = given;
  side = document.getElementById('fn-side');
  slot = document.querySelector('#fn-panel .fn-slot');
  empty = slot.innerHTML;
  announcer = document.createElement('p');
  announcer.className = 'fn-sr';
  announcer.setAttribute('role', 'status');
  side.append(announcer);
  const link = sharedLink();
  if (link !== null) shared = { link, address: location.pathname + location.search };
  card.init();
  origin.init(find);

  document.addEventListener('click', (event) => {
    const target = event.target.closest && event.target.closest('a[href^="#"], [data-evidence]');
    if (!target) return;
    if (target.dataset.evidence) {
      DEEDS[target.dataset.evidence](target);
      return;
    }
    const href = target.getAttribute('href');
    if (target.dataset.page && side.contains(target)) {
      event.preventDefault();
      open(current, { view: 'page', page: Number(target.dataset.page), focus: `a.fn-turn[rel="${target.rel}"]` });
    } else if (LINK.test(href)) {
      event.preventDefault();
      if (!side.contains(target)) opener = target;
      open(href, { focus: target.matches('.fn-step') ? `#${target.id}` : null });
    }
  });
  document.addEventListener('keydown', pressed);
  side.addEventListener('toggle', (event) => {
    if (event.target.matches('.fn-why') && event.target.open) listOthers();
  }, true);
  side.addEventListener('input', (event) => {
    if (event.target.id !== 'fn-find-other') return;
    clearTimeout(typing);
    typing = setTimeout(listOthers, 250);
  });
  side.addEventListener('error', (event) => {
    if (event.target.matches && event.target.matches('.fn-picture')) pictureFailed(event.target);
  }, true);
  document.addEventListener('footnote:opened', opened);
  document.addEventListener('footnote:turn', (event) => open(`#sources-${event.detail.number}`, { quiet: true }));
}
